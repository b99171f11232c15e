import {
  guestStateGenerationTag,
  platformKeyReleasePolicy,
  releaseSigningUsage,
  type BootEvidence,
  type VerifierSettings,
} from '@strongroom/contract'
import { parseJwks, toHex, utf8, verifyKeyRelease, verifyToken, type Jwk, type TrustAnchor } from '@strongroom/evidence'
import { sha256Hex } from './bytes.ts'
import { demand, LinkNotChecked, short } from './link.ts'
import {
  describeVerifier,
  sharedIssuer,
  verifierKey,
  verifierOf,
  type AskedProvider,
  type Verifier,
  type VerifierKey,
} from './verifier.ts'

export type TokenClaims = Readonly<Record<string, unknown>>

/** Fetches the provider's key set at `{issuer}/certs`, as JSON. */
export type FetchKeySet = (issuer: string) => Promise<unknown>

/**
 * Stored evidence contains a key set too, but whoever changes the token can change it with the token: only the
 * provider's published keys count.
 */
async function publishedKeys(issuer: string, fetchKeySet: FetchKeySet): Promise<Jwk[]> {
  try {
    return parseJwks(await fetchKeySet(issuer))
  } catch (error) {
    throw new LinkNotChecked(`The keys of ${issuer} are unavailable: ${(error as Error).message}`)
  }
}

const attestationType = (evidence: BootEvidence): 'sevsnpvm' | 'tdxvm' =>
  evidence.tee === 'SNP' ? 'sevsnpvm' : 'tdxvm'

/** The token states about the evidence what we found ourselves; otherwise the provider saw another machine. */
export async function tokenLink(
  evidence: BootEvidence,
  seen: { measurement: Uint8Array; reportData: Uint8Array },
  o: { fetchKeySet: FetchKeySet; verifiers?: readonly VerifierSettings[]; asked?: AskedProvider },
): Promise<{ claims: TokenClaims; verifier: Verifier & { key: VerifierKey }; shows: string[] }> {
  const { issuer, token } = evidence.attestation
  const verifier = verifierOf(issuer, o.verifiers ?? [], o.asked ?? { issuer: sharedIssuer })
  const keys = await publishedKeys(issuer, o.fetchKeySet)
  // Judged at the time of the release, when the vault accepted it.
  const at = new Date(evidence.release.at)
  const { claims, keyId, issuedAt } = await verifyToken({
    token,
    issuer,
    keys,
    at,
  })
  const snp = evidence.tee === 'SNP'
  const checks: [name: string, expected: unknown][] = [
    ['x-ms-attestation-type', attestationType(evidence)],
    ['x-ms-compliance-status', 'azure-compliant-cvm'],
    [snp ? 'x-ms-sevsnpvm-launchmeasurement' : 'tdx_mrtd', toHex(seen.measurement)],
    [snp ? 'x-ms-sevsnpvm-reportdata' : 'tdx_report_data', toHex(seen.reportData)],
  ]
  if (evidence.simulated) checks.push(['x-strongroom-simulated', true])
  for (const [name, expected] of checks) {
    demand({
      holds: claims[name] === expected,
      message: `The token's claim ${name} differs.`,
      expected: String(expected),
      actual: String(claims[name]),
    })
  }
  const runtime = claims['x-ms-runtime'] as { 'vm-configuration'?: { vmUniqueId?: string } } | undefined
  const vmUniqueId = runtime?.['vm-configuration']?.vmUniqueId
  demand({
    holds: vmUniqueId === evidence.vmId,
    message: 'The token belongs to another VM.',
    expected: evidence.vmId,
    actual: String(vmUniqueId),
  })
  demand({
    // Tokens count whole seconds.
    holds: issuedAt !== undefined && issuedAt.getTime() > Date.parse(evidence.startedAt) - 1000,
    message: 'The token was issued before this boot.',
    expected: `not before ${evidence.startedAt}`,
    actual: issuedAt?.toISOString() ?? 'no time',
  })
  const key = await verifierKey(keys, keyId)
  return {
    claims,
    verifier: { ...verifier, key },
    shows: [
      ...describeVerifier(verifier, key),
      `compliance ${String(claims['x-ms-compliance-status'])}, policy ${short(String(claims['x-ms-policy-hash']))}`,
    ],
  }
}

/** The vault's signed answer: which key, under which policy, wrapped for which transfer key. */
export async function releaseLink(
  evidence: BootEvidence,
  claims: TokenClaims,
  root: TrustAnchor,
): Promise<{ counter: number; tags: Readonly<Record<string, unknown>>; shows: string[] }> {
  const { release } = await verifyKeyRelease({
    jws: evidence.release.jws,
    at: new Date(evidence.release.at),
    roots: [root],
    signer: 'any',
    // The CA certifies TLS and attestation keys as well: only the key service's own key may sign a release.
    usage: releaseSigningUsage,
  })
  demand({
    holds: release.keyId === evidence.release.keyId,
    message: 'The response is about another key.',
    expected: evidence.release.keyId,
    actual: release.keyId,
  })
  demand({
    holds: release.wrappedFor === 'HCLTransferKey',
    message: 'The key was wrapped to a key other than the transfer key of this boot.',
    expected: 'HCLTransferKey',
    actual: release.wrappedFor,
  })
  // Exactly this policy: one more alternative would release the key to somebody else as well.
  const expected = JSON.stringify(
    platformKeyReleasePolicy({
      authority: evidence.attestation.issuer,
      attestationType: attestationType(evidence),
      vmId: evidence.vmId,
    }),
  )
  const policy = JSON.stringify(release.releasePolicy)
  demand({
    holds: policy === expected,
    message: 'The release policy does not bind the key to only this VM and this attestation provider.',
    expected,
    actual: policy,
  })
  const tag = release.tags[guestStateGenerationTag] ?? '0'
  demand({
    holds: typeof tag === 'string' && /^\d+$/.test(tag),
    message: 'The roll-back counter is not a number.',
    expected: 'a decimal',
    actual: JSON.stringify(tag),
  })
  return {
    counter: Number(tag),
    tags: release.tags,
    shows: [
      release.keyId,
      `${release.wrapping}, policy ${short(await sha256Hex(utf8(policy)))} satisfied by token ${short(String(claims['jti']))}`,
    ],
  }
}
