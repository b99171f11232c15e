import { releaseSigningUsage, type BootEvidence } from '@strongroom/contract'
import { utf8, verifyKeyRelease, type TrustAnchor } from '@strongroom/evidence'
import { sha256Hex } from './bytes.ts'
import { demand, short } from './link.ts'
import { satisfiedAuthority } from './satisfied-policy.ts'
import type { TokenClaims } from './token-link.ts'

/**
 * The customer's key: released by the customer's vault on the same token, under a policy that the token satisfies by
 * our own evaluation, wrapped for the transfer key of this boot.
 * @param expected the disk-encryption set that the VM was created with: evidence without its key does not meet the
 * request
 */
export async function customerLink(
  evidence: BootEvidence,
  claims: TokenClaims,
  o: { root: TrustAnchor; expected: string | undefined; mapsAzureProviders: boolean },
): Promise<string[]> {
  const kept = evidence.customerRelease
  demand({
    holds: kept?.diskEncryptionSet.toLowerCase() === o.expected?.toLowerCase(),
    message: 'The guest state was not decrypted with a key of the VM’s disk-encryption set.',
    expected: o.expected ?? 'none',
    actual: kept?.diskEncryptionSet ?? 'none',
  })
  if (kept === undefined) throw new TypeError('a VM without a disk-encryption set has no such link')
  const { release } = await verifyKeyRelease({
    jws: kept.jws,
    at: new Date(kept.at),
    roots: [o.root],
    signer: 'any',
    usage: releaseSigningUsage,
  })
  demand({
    holds: release.keyId === kept.keyId,
    message: 'The response is about another key.',
    expected: kept.keyId,
    actual: release.keyId,
  })
  demand({
    holds: release.wrappedFor === 'HCLTransferKey',
    message: 'The key was wrapped to a key other than the transfer key of this boot.',
    expected: 'HCLTransferKey',
    actual: release.wrappedFor,
  })
  const text = JSON.stringify(release.releasePolicy)
  const { issuer } = evidence.attestation
  const { authority, mapped } = satisfiedAuthority(text, { issuer, claims, mapsAzureProviders: o.mapsAzureProviders })
  const { hostname, pathname } = new URL(release.keyId)
  const [, , key = '', version = ''] = pathname.split('/')
  return [
    `key ${key}, version ${version}, of ${hostname}`,
    `disk-encryption set ${kept.diskEncryptionSet}`,
    `${release.wrapping}, policy ${short(await sha256Hex(utf8(text)))} satisfied by token ${short(String(claims['jti']))}`,
    ...(mapped ? [`its authority ${authority} is mapped to ${issuer} by this installation’s operator`] : []),
  ]
}
