import {
  comparisonText,
  failedConditions,
  meantAuthority,
  normalAuthority,
  readReleasePolicy,
  ReleasePolicyError,
} from '@strongroom/release-policy'
import { LinkRefused } from '../provenance/link.ts'
import type { TokenClaims } from '../provenance/signed.ts'

/**
 * The entry of a key's release policy that a token satisfies: its authority as the policy names it, and whether that is
 * Azure's shared provider, for which this installation's provider stands in.
 * @param text the policy
 * @throws LinkRefused if the token satisfies none, or the text is not a policy
 */
export function satisfiedAuthority(
  text: string,
  o: { issuer: string; claims: TokenClaims; mapsAzureProviders: boolean },
): { authority: string; mapped: boolean } {
  const { issuer } = o
  try {
    const entries = readReleasePolicy(text).anyOf.filter(
      ({ authority }) => meantAuthority(authority, o) === normalAuthority(issuer),
    )
    const failed = entries.map((entry) => failedConditions(entry, o.claims))
    const met = failed.findIndex((conditions) => conditions.length === 0)
    if (met !== -1) {
      const { authority } = entries[met]!
      return { authority, mapped: normalAuthority(authority) !== normalAuthority(issuer) }
    }
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
