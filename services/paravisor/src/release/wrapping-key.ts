import { createPublicKey, type KeyObject } from 'node:crypto'
import { vaultAudience, type InstanceSpec, type KeyBundle } from '@strongroom/contract'
import type { TokenSource, WireClient } from '@strongroom/platform'

/** Public half of a guest state's key. Its private half is released only to attested boots and copies. */
export async function wrappingKeyOf(o: {
  wire: WireClient
  tokens: TokenSource
  spec: Pick<InstanceSpec, 'guestStateKey'>
}): Promise<KeyObject> {
  const token = await o.tokens.token('orchestrator', vaultAudience)
  const url = `${keyOfGuestState(o.spec)}?api-version=7.4`
  const { body } = await o.wire.request<KeyBundle>({ method: 'GET', url, token })
  const { n = '', e = '' } = body.key
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
}

/** Key identifier of a VM with guest state; one with NonPersistedTPM has none. */
export function keyOfGuestState({ guestStateKey }: Pick<InstanceSpec, 'guestStateKey'>): string {
  if (guestStateKey === undefined) throw new TypeError('a VM without guest state has no key for it')
  return guestStateKey
}
