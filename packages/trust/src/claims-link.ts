import type { BootFacts } from '@strongroom/contract'
import {
  fromBase64Url,
  hclReportData,
  parseRuntimeClaims,
  toHex,
  tpmKeyFromJwk,
  type RuntimeClaims,
} from '@strongroom/evidence'
import { sha256Hex } from './bytes.ts'
import { demand, LinkRefused, short } from './link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** What of a boot's evidence has its claims. */
export type WithClaims = Pick<BootFacts, 'runtimeClaims'>

export const readClaims = (evidence: WithClaims): RuntimeClaims =>
  parseRuntimeClaims(fromBase64Url(evidence.runtimeClaims))

/** report_data is SHA-256 of the exact claims bytes, then zeros: the silicon vouches for these claims only. */
export async function claimsLink(
  evidence: WithClaims & Pick<BootFacts, 'vmId'>,
  silicon: SiliconFinding,
  asked: string = evidence.vmId,
): Promise<string[]> {
  const { raw, configuration } = readClaims(evidence)
  const expected = toHex(await hclReportData(raw))
  demand({
    holds: toHex(silicon.reportData) === expected,
    message: 'The report does not bind these claims.',
    expected,
    actual: toHex(silicon.reportData),
  })
  const { vmUniqueId } = configuration
  demand({
    holds: vmUniqueId === evidence.vmId,
    message: 'The claims belong to another VM.',
    expected: evidence.vmId,
    actual: String(vmUniqueId),
  })
  demand({
    holds: evidence.vmId.toUpperCase() === asked.toUpperCase(),
    message: 'The evidence belongs to another VM than the requested one.',
    expected: asked,
    actual: evidence.vmId,
  })
  const flags = ['secure-boot', 'tpm-enabled', 'tpm-persisted', 'console-enabled'].map(
    (name) => `${name} ${String(configuration[name])}`,
  )
  return [
    `SHA-256 ${short(await sha256Hex(raw))} is in report_data`,
    `vmUniqueId ${evidence.vmId}, ${flags.join(', ')}`,
  ]
}

/** The vault wraps for the first encryption key in the claims: that must be the transfer key, created for this boot. */
export async function transferKeyLink(evidence: WithClaims): Promise<string[]> {
  const named = readClaims(evidence).keys.filter((key) => key['kid'] === 'HCLTransferKey')
  const [jwk] = named
  if (jwk === undefined || named.length > 1) {
    throw new LinkRefused({
      message: 'The runtime claims have no single transfer key.',
      expected: 'one HCLTransferKey',
      actual: String(named.length),
    })
  }
  const key = tpmKeyFromJwk(jwk)
  const bits = key.kind === 'rsa' ? key.modulus.length * 8 : 0
  demand({
    holds: bits >= 2048,
    message: 'The transfer key is too weak.',
    expected: 'RSA of 2048 bits or more',
    actual: `${key.kind} of ${bits} bits`,
  })
  const uses = jwk['key_ops']
  demand({
    holds: Array.isArray(uses) && uses.includes('encrypt'),
    message: 'The transfer key is not for encryption.',
    expected: 'encrypt',
    actual: JSON.stringify(uses),
  })
  return [`RSA-${bits} ${short(key.kind === 'rsa' ? await sha256Hex(key.modulus) : '')}, created for this boot only`]
}
