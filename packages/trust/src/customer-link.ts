import { releaseSigningUsage, type BootEvidence } from '@strongroom/contract'
import { utf8, verifyKeyRelease, type TrustAnchor } from '@strongroom/evidence'
import {
  comparisonText,
  failedConditions,
  normalAuthority,
  readReleasePolicy,
  ReleasePolicyError,
} from '@strongroom/release-policy'
import { sha256Hex } from './bytes.ts'
import { demand, LinkRefused, short } from './link.ts'
import type { TokenClaims } from './token-link.ts'

/**
 * The customer's key: released by its own vault on the same token, under a policy that the token satisfies as we evaluate
 * it ourselves, wrapped for the transfer key of this boot.
 * @param expected the disk-encryption set that the VM was made with: evidence without its key says less than was asked for
 */
export async function customerLink(
  evidence: BootEvidence,
  claims: TokenClaims,
  o: { root: TrustAnchor; expected: string | undefined },
): Promise<string[]> {
  const kept = evidence.customerRelease
  demand({
    holds: kept?.diskEncryptionSet.toLowerCase() === o.expected?.toLowerCase(),
    message: 'The guest state was not opened with a key of the VM’s disk-encryption set.',
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
    message: 'The answer is about another key.',
    expected: kept.keyId,
    actual: release.keyId,
  })
  demand({
    holds: release.wrappedFor === 'HCLTransferKey',
    message: 'The key was wrapped for another key than the transfer key of this boot.',
    expected: 'HCLTransferKey',
    actual: release.wrappedFor,
  })
  const text = JSON.stringify(release.releasePolicy)
  requireSatisfied(text, evidence.attestation.issuer, claims)
  const { hostname, pathname } = new URL(release.keyId)
  const [, , key = '', version = ''] = pathname.split('/')
  return [
    `key ${key}, version ${version}, of ${hostname}`,
    `disk-encryption set ${kept.diskEncryptionSet}`,
    `${release.wrapping}, policy ${short(await sha256Hex(utf8(text)))} satisfied by token ${short(String(claims['jti']))}`,
  ]
}

function requireSatisfied(text: string, issuer: string, claims: TokenClaims): void {
  try {
    const entries = readReleasePolicy(text).anyOf.filter(
      ({ authority }) => normalAuthority(authority) === normalAuthority(issuer),
    )
    const failed = entries.map((entry) => failedConditions(entry, claims))
    if (failed.some((conditions) => conditions.length === 0)) return
    const [first] = failed.flat()
    throw new LinkRefused({
      message: 'The token does not satisfy the release policy of the customer’s key.',
      expected:
        first === undefined
          ? `an entry for the authority ${issuer}`
          : comparisonText({ ...first, operand: first.expected }),
      actual: first === undefined ? 'none' : String(first.actual),
    })
  } catch (error) {
    if (!(error instanceof ReleasePolicyError)) throw error
    throw new LinkRefused({
      message: 'The release policy of the customer’s key cannot be read.',
      expected: 'a policy of Key Vault’s grammar',
      actual: error.message,
    })
  }
}
