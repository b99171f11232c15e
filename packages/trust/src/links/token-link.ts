import {
  guestStateGenerationTag,
  platformKeyReleasePolicy,
  type BootEvidence,
  type VerifierSettings,
} from '@strongroom/contract'
import { toHex, utf8, type KeyRelease, type RuntimeClaims, type TrustAnchor } from '@strongroom/evidence'
import { sha256Hex } from '../provenance/bytes.ts'
import { constant, derive, deriveAsync, same, type Known } from '../provenance/known.ts'
import { refuseUnless, short, type Proof } from '../provenance/link.ts'
import { sharedIssuer } from '../provenance/asked.ts'
import type { AskedProvider } from '../provenance/request.ts'
import { claimOf, signedRelease, signedToken, type FetchKeySet, type TokenClaims } from '../provenance/signed.ts'
import { vmIdOfClaims } from './claims-link.ts'
import type { SiliconFinding } from './silicon-link.ts'
import { describeVerifier, verifierKey, verifierOf, type Verifier, type VerifierKey } from './verifier.ts'

export interface TokenFinding {
  issuer: Known<string>
  claims: Known<TokenClaims>
  verifier: Verifier & { key: VerifierKey }
}

const attestationType = (kind: 'SNP' | 'TDX'): 'sevsnpvm' | 'tdxvm' => (kind === 'SNP' ? 'sevsnpvm' : 'tdxvm')

/** The token states about the evidence what we found ourselves; otherwise the provider saw another machine. */
export async function tokenLink(
  evidence: BootEvidence,
  seen: { silicon: SiliconFinding; claims: Known<RuntimeClaims> },
  o: {
    fetchKeySet: FetchKeySet
    verifiers?: readonly VerifierSettings[]
    asked?: AskedProvider | undefined
    /** Of what was asked. */
    issuer: Known<string> | undefined
    proof: Proof
  },
): Promise<TokenFinding> {
  const { proof } = o
  const { issuer: stated, token } = evidence.attestation
  const verifier = verifierOf(stated, o.verifiers ?? [], o.asked ?? { issuer: sharedIssuer })
  const { issuer } = o
  if (issuer === undefined) throw new TypeError('verifierOf refuses a provider that is unknown')
  // Judged at the time of the release, when the vault accepted it.
  const at = new Date(evidence.release.at)
  const found = await signedToken({ token, issuer, fetchKeySet: o.fetchKeySet, at })
  const { claims } = found
  const { kind, measurement, reportData } = seen.silicon
  const snp = kind.value === 'SNP'
  const checks: [name: string, expected: Known<string | boolean>][] = [
    ['x-ms-attestation-type', kind.map(attestationType)],
    ['x-ms-compliance-status', constant('azure-compliant-cvm')],
    [snp ? 'x-ms-sevsnpvm-launchmeasurement' : 'tdx_mrtd', measurement.map(toHex)],
    [snp ? 'x-ms-sevsnpvm-reportdata' : 'tdx_report_data', reportData.map(toHex)],
  ]
  if (evidence.simulated) checks.push(['x-strongroom-simulated', constant(true as const)])
  for (const [name, expected] of checks)
    proof.demand({
      holds: derive([claimOf(claims, name), expected], (actual, wanted) => actual === wanted),
      message: `The token's claim ${name} differs.`,
      expected: String(expected.value),
      actual: String(claimOf(claims, name).value),
    })
  const vmUniqueId = claims.map(vmOfToken)
  const vmId = vmIdOfClaims(seen.claims)
  proof.demand({
    holds: same(vmUniqueId, vmId),
    message: 'The token belongs to another VM.',
    expected: vmId.value,
    actual: vmUniqueId.value,
  })
  const issuedAt = found.issuedAt.value
  // The host states when the boot began. Tokens count whole seconds.
  refuseUnless(issuedAt !== undefined && issuedAt.getTime() > Date.parse(evidence.startedAt) - 1000, {
    message: 'The token was issued before this boot.',
    expected: `not before ${evidence.startedAt}`,
    actual: issuedAt?.toISOString() ?? 'no time',
  })
  const key = await deriveAsync([found.keys, found.keyId], verifierKey)
  describeVerifier(verifier, { issuer, key, proof })
  const status = claims.map((all) => String(all['x-ms-compliance-status']))
  const policy = claims.map((all) => short(String(all['x-ms-policy-hash'])))
  proof.proves`compliance ${status}, policy ${policy}`
  return { issuer, claims, verifier: { ...verifier, key: key.value } }
}

const vmOfToken = (claims: TokenClaims): string => {
  const runtime = claims['x-ms-runtime'] as { 'vm-configuration'?: { vmUniqueId?: string } } | undefined
  return String(runtime?.['vm-configuration']?.vmUniqueId)
}

/** The vault's signed answer: which key, under which policy, wrapped for which transfer key. */
export async function releaseLink(
  evidence: BootEvidence,
  seen: { silicon: SiliconFinding; claims: Known<RuntimeClaims>; token: TokenFinding },
  { root, proof }: { root: TrustAnchor; proof: Proof },
): Promise<{ counter: Known<number>; release: Known<KeyRelease> }> {
  const { jws, at, keyId } = evidence.release
  const release = await signedRelease({ jws, at: new Date(at), root })
  refuseUnless(release.value.keyId === keyId, {
    message: 'The response is about another key.',
    expected: keyId,
    actual: release.value.keyId,
  })
  demandWrapped(release, proof)
  // Exactly this policy: one more alternative would release the key to somebody else as well.
  const expected = derive([seen.token.issuer, seen.silicon.kind, vmIdOfClaims(seen.claims)], policyText)
  const policy = release.map(({ releasePolicy }) => JSON.stringify(releasePolicy))
  proof.demand({
    holds: same(policy, expected),
    message: 'The release policy does not bind the key to only this VM and this attestation provider.',
    expected: expected.value,
    actual: policy.value,
  })
  const tag = release.map(({ tags }) => tags[guestStateGenerationTag] ?? '0')
  proof.demand({
    holds: tag.map((of) => typeof of === 'string' && /^\d+$/.test(of)),
    message: 'The roll-back counter is not a number.',
    expected: 'a decimal',
    actual: JSON.stringify(tag.value),
  })
  proof.proves`${release.map((of) => of.keyId)}`
  const digest = await deriveAsync([policy], policyDigest)
  const token = seen.token.claims.map((of) => short(String(of['jti'])))
  proof.proves`${release.map(({ wrapping }) => wrapping)}, policy ${digest} satisfied by token ${token}`
  return { counter: tag.map(Number), release }
}

const policyText = (authority: string, kind: 'SNP' | 'TDX', vmId: string): string =>
  JSON.stringify(platformKeyReleasePolicy({ authority, attestationType: attestationType(kind), vmId }))

export const policyDigest = async (text: string): Promise<string> => short(await sha256Hex(utf8(text)))

export function demandWrapped(release: Known<KeyRelease>, proof: Proof): void {
  const wrappedFor = release.map((of) => of.wrappedFor)
  proof.demand({
    holds: same<string>(wrappedFor, constant('HCLTransferKey')),
    message: 'The key was wrapped to a key other than the transfer key of this boot.',
    expected: 'HCLTransferKey',
    actual: wrappedFor.value,
  })
}
