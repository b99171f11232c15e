import type { Store } from '@strongroom/platform'
import { adminGrant, createTestVault, type Answer, type Principal, type TestVault } from './test-vault.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Tenant {
  vault: TestVault
  /** As alice, who administers the vault kv1. */
  send: (method: Method, path: string, body?: unknown, as?: Principal) => Promise<Answer>
  /** The same; anything but success fails the test. */
  ok: (method: Method, path: string, body?: unknown) => Promise<Answer['body']>
}

/** A tenant's premium vault, kv1, and its administrator. */
export async function startTenant(
  store: Store,
  options: Parameters<typeof createTestVault>[1] = {},
  definition: Parameters<TestVault['putVault']>[1] = {},
): Promise<Tenant> {
  const vault = await createTestVault(store, options)
  await vault.putVault('kv1', { grants: [adminGrant('alice')], ...definition })
  const send: Tenant['send'] = (method, path, body, as = 'alice') =>
    vault.call(as, method, path, body, 'kv1.vault.strongroom.internal')
  return {
    vault,
    send,
    ok: async (method, path, body) => {
      const answer = await send(method, path, body)
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
      return answer.body as unknown
    },
  }
}

export const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('base64url')

/** Status, Azure's inner reason or the code, and the place. */
export const refusalOf = ({ status, body }: Answer): unknown[] => [
  status,
  body.error.innererror?.code ?? body.error.code,
  body.error.target,
]
