import type { BootEvidence } from '@strongroom/contract'
import type { TrustAnchor } from '@strongroom/evidence'
import { derive, deriveAsync, type Known } from '../provenance/known.ts'
import { refuseUnless, short, type Proof } from '../provenance/link.ts'
import { signedRelease } from '../provenance/signed.ts'
import { satisfiedAuthority } from './satisfied-policy.ts'
import { demandWrapped, policyDigest, type TokenFinding } from './token-link.ts'

/**
 * The customer's key: released by the customer's vault on the same token, under a policy that the token satisfies by
 * our own evaluation, wrapped for the transfer key of this boot.
 * @param o.expected the disk-encryption set that the VM was created with: evidence without its key does not meet the
 * request
 */
export async function customerLink(
  evidence: BootEvidence,
  token: TokenFinding,
  o: { root: TrustAnchor; expected: Known<string> | undefined; mapsAzureProviders: boolean; proof: Proof },
): Promise<void> {
  const { proof } = o
  const stored = evidence.customerRelease
  refuseUnless(stored?.diskEncryptionSet.toLowerCase() === o.expected?.value.toLowerCase(), {
    message: 'The guest state was not decrypted with a key of the VM’s disk-encryption set.',
    expected: o.expected?.value ?? 'none',
    actual: stored?.diskEncryptionSet ?? 'none',
  })
  if (stored === undefined) throw new TypeError('a VM without a disk-encryption set has no such link')
  const release = await signedRelease({ jws: stored.jws, at: new Date(stored.at), root: o.root })
  refuseUnless(release.value.keyId === stored.keyId, {
    message: 'The response is about another key.',
    expected: stored.keyId,
    actual: release.value.keyId,
  })
  demandWrapped(release, proof)
  const policy = release.map(({ releasePolicy }) => JSON.stringify(releasePolicy))
  const { issuer, claims } = token
  const satisfy = o.mapsAzureProviders ? satisfiedOrMapped : satisfied
  const met = derive([policy, issuer, claims], satisfy)
  proof.proves`${release.map(keyText)}`
  if (o.expected !== undefined) proof.proves`disk-encryption set ${o.expected}`
  const [wrapping, jti] = [release.map((of) => of.wrapping), claims.map((of) => short(String(of['jti'])))]
  proof.proves`${wrapping}, policy ${await deriveAsync([policy], policyDigest)} satisfied by token ${jti}`
  if (met.value.mapped) {
    const authority = met.map((of) => of.authority)
    proof.proves`its authority ${authority} means ${issuer} here`
    proof.informs('that meaning is the choice of this installation’s operator')
  }
}

const satisfied = (text: string, issuer: string, claims: TokenFinding['claims']['value']): Satisfied =>
  satisfiedAuthority(text, { issuer, claims, mapsAzureProviders: false })

const satisfiedOrMapped = (text: string, issuer: string, claims: TokenFinding['claims']['value']): Satisfied =>
  satisfiedAuthority(text, { issuer, claims, mapsAzureProviders: true })

type Satisfied = ReturnType<typeof satisfiedAuthority>

const keyText = ({ keyId }: { keyId: string }): string => {
  const { hostname, pathname } = new URL(keyId)
  const [, , key = '', version = ''] = pathname.split('/')
  return `key ${key}, version ${version}, of ${hostname}`
}
