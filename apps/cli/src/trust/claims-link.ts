import type { BootEvidence } from '@strongroom/contract'
import { findKey, parseRuntimeClaims, type RuntimeClaims } from './claims.ts'
import { hex, sha256, sha256Hex } from './encoding.ts'
import { demand, short } from './link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** report_data is SHA-256 of the exact claims bytes, the rest zero: the silicon vouches for these claims and no others. */
export function claimsLink(evidence: BootEvidence, silicon: SiliconFinding): string[] {
  const claims = parseRuntimeClaims(evidence)
  const expected = `${hex(sha256(claims.bytes))}${'00'.repeat(32)}`
  demand({
    holds: hex(silicon.reportData) === expected,
    message: 'The report does not bind these claims.',
    expected,
    actual: hex(silicon.reportData),
  })
  const { vmUniqueId } = claims.configuration
  demand({
    holds: vmUniqueId === evidence.vmId,
    message: 'The claims are of another VM.',
    expected: evidence.vmId,
    actual: String(vmUniqueId),
  })
  const flags = ['secure-boot', 'tpm-enabled', 'tpm-persisted', 'console-enabled'].map(
    (name) => `${name} ${String(claims.configuration[name])}`,
  )
  return [
    `SHA-256 ${short(sha256Hex(claims.bytes))} is in report_data`,
    `vmUniqueId ${String(vmUniqueId)}, ${flags.join(', ')}`,
  ]
}

export function transferKeyLink(claims: RuntimeClaims): string[] {
  const key = findKey(claims, 'HCLTransferKey')
  const modulus = Buffer.from(key.n ?? '', 'base64url')
  demand({
    holds: key.kty === 'RSA' && modulus.length >= 256,
    message: 'The transfer key is too weak.',
    expected: 'RSA of 2048 bits or more',
    actual: `${key.kty} of ${modulus.length * 8} bits`,
  })
  demand({
    holds: key.key_ops?.includes('encrypt') === true,
    message: 'The transfer key is not for encryption.',
    expected: 'encrypt',
    actual: String(key.key_ops),
  })
  return [`RSA-${modulus.length * 8} ${short(sha256Hex(modulus))}, made for this boot alone`]
}
