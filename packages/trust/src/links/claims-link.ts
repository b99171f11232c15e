import type { BootFacts } from '@strongroom/contract'
import { fromBase64Url, tpmKeyFromJwk, type RuntimeClaims } from '@strongroom/evidence'
import { sha256Hex } from '../provenance/bytes.ts'
import { boundClaims } from '../provenance/claims.ts'
import { deriveAsync, same, type Known } from '../provenance/known.ts'
import { refuseUnless, short, type Proof } from '../provenance/link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/** The VM that the attested claims are of. */
export const vmIdOfClaims = (claims: Known<RuntimeClaims>): Known<string> =>
  claims.map(({ configuration }) => String(configuration['vmUniqueId']))

/**
 * @param o.vmId the requested VM; any if undefined
 * @returns the claims that the silicon vouches for
 */
export async function claimsLink(
  evidence: Pick<BootFacts, 'vmId' | 'runtimeClaims'>,
  { reportData }: SiliconFinding,
  o: { vmId: Known<string> | undefined; proof: Proof },
): Promise<Known<RuntimeClaims>> {
  const claims = await boundClaims(fromBase64Url(evidence.runtimeClaims), reportData)
  const vmId = vmIdOfClaims(claims)
  refuseUnless(vmId.value === evidence.vmId, {
    message: 'The claims belong to another VM.',
    expected: evidence.vmId,
    actual: vmId.value,
  })
  if (o.vmId !== undefined)
    o.proof.demand({
      holds: same(vmId.map(upper), o.vmId.map(upper)),
      message: 'The evidence belongs to another VM than the requested one.',
      expected: o.vmId.value,
      actual: vmId.value,
    })
  const digest = await deriveAsync([claims], async ({ raw }) => short(await sha256Hex(raw)))
  o.proof.proves`SHA-256 ${digest} is in report_data`
  o.proof.proves`vmUniqueId ${vmId}, ${claims.map(flags)}`
  return claims
}

const upper = (text: string): string => text.toUpperCase()

const flags = ({ configuration }: RuntimeClaims): string =>
  ['secure-boot', 'tpm-enabled', 'tpm-persisted', 'console-enabled']
    .map((name) => `${name} ${String(configuration[name])}`)
    .join(', ')

/** The vault wraps for the first encryption key in the claims: that must be the transfer key, created for this boot. */
export async function transferKeyLink(claims: Known<RuntimeClaims>, proof: Proof): Promise<void> {
  const named = claims.map(transferKeys)
  const jwk = named.map(([first]) => first ?? {})
  proof.demand({
    holds: named.map(({ length }) => length === 1),
    message: 'The runtime claims have no single transfer key.',
    expected: 'one HCLTransferKey',
    actual: String(named.value.length),
  })
  const key = jwk.map(tpmKeyFromJwk)
  const bits = key.map(({ modulus }) => modulus.length * 8)
  proof.demand({
    holds: bits.map((count) => count >= 2048),
    message: 'The transfer key is too weak.',
    expected: 'RSA of 2048 bits or more',
    actual: `${key.value.kind} of ${bits.value} bits`,
  })
  proof.demand({
    holds: jwk.map((of) => Array.isArray(of['key_ops']) && of['key_ops'].includes('encrypt')),
    message: 'The transfer key is not for encryption.',
    expected: 'encrypt',
    actual: JSON.stringify(jwk.value['key_ops']),
  })
  const digest = await deriveAsync([key], modulusDigest)
  proof.proves`RSA-${bits} ${digest}, created for this boot only`
}

export const transferKeys = ({ keys }: RuntimeClaims): RuntimeClaims['keys'] =>
  keys.filter((key) => key['kid'] === 'HCLTransferKey')

const modulusDigest = async ({ modulus }: { modulus: Uint8Array }): Promise<string> => short(await sha256Hex(modulus))
