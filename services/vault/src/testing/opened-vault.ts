import type { VaultGrant } from '@strongroom/contract'
import { expect } from 'vitest'
import { adminGrant, createTestVault, type Answer, type Principal, type TestVault } from './test-vault.ts'

export const vaultHost = 'kv1.vault.strongroom.internal'

type Method = 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST'
export type Send = (method: Method, path: string, body?: unknown, as?: Principal) => Promise<Answer>

/** A vault kv1 that alice administers, and a function to call it, as alice by default. */
export async function openVault(
  store: Parameters<typeof createTestVault>[0],
  grants: VaultGrant[] = [],
): Promise<{ vault: TestVault; send: Send }> {
  const vault = await createTestVault(store)
  expect((await vault.putVault('kv1', { grants: [adminGrant('alice'), ...grants] })).status).toBe(201)
  return {
    vault,
    send: async (method, path, body, as = 'alice') => await vault.call(as, method, path, body, vaultHost),
  }
}

export const statusAndCode = ({ status, body }: Answer): unknown[] => [status, body?.error?.code ?? 'none']
