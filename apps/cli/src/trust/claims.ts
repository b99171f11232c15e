import type { BootEvidence } from '@strongroom/contract'
import { fromBase64Url } from './encoding.ts'
import { LinkRefused } from './link.ts'

export interface Jwk {
  kid?: string
  kty?: string
  n?: string
  e?: string
  key_ops?: string[]
}

/** The runtime claims the paravisor had the silicon sign: its keys and the VM's configuration. */
export interface RuntimeClaims {
  bytes: Uint8Array
  keys: Jwk[]
  configuration: Record<string, unknown>
}

export function parseRuntimeClaims(evidence: BootEvidence): RuntimeClaims {
  const bytes = fromBase64Url(evidence.runtimeClaims)
  let parsed: { keys?: Jwk[]; 'vm-configuration'?: Record<string, unknown> }
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as typeof parsed
  } catch (cause) {
    throw new LinkRefused({ message: 'The runtime claims are not JSON.', cause })
  }
  return { bytes, keys: parsed.keys ?? [], configuration: parsed['vm-configuration'] ?? {} }
}

export function findKey(claims: RuntimeClaims, kid: string): Jwk {
  const found = claims.keys.filter((key) => key.kid === kid)
  if (found.length !== 1) {
    throw new LinkRefused({
      message: `The runtime claims have no single key ${kid}.`,
      expected: 'one',
      actual: String(found.length),
    })
  }
  return found[0]!
}
