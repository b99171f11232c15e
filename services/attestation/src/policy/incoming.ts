import { claimsForPolicy, type Claim } from '@strongroom/policy'
import type { LoadedPolicy } from './policies.ts'

/**
 * Claims that a policy sees: those of the evidence, and what Azure Attestation gives to the policies of every type (claim-sets.md):
 * the version of the token, the type, the policy itself; each also under the name that is deprecated and still supported.
 */
export function incomingClaims(claims: Record<string, unknown>, policy: LoadedPolicy): Claim[] {
  const { signer } = policy
  const type = claims['x-ms-attestation-type']
  return claimsForPolicy({
    ver: '1.0',
    tee: type,
    'maa-policyHash': policy.hash,
    policy_hash: policy.hash,
    ...(signer === undefined ? {} : { policy_signer: signer, 'x-ms-policy-signer': signer }),
    'x-ms-ver': '1.0',
    'x-ms-policy-hash': policy.hash,
    ...claims,
  })
}
