import { compliantCvm } from '@strongroom/contract'
import type { OfferedType } from '../providers/providers.ts'

/**
 * What holds until the owner sets a policy: only a compliant confidential VM gets a token. Azure does not publish its
 * own defaults; this one denies whatever the baseline does not vouch for.
 */
const compliantOnly = `version=1.0;

authorizationrules
{
  [type=="x-ms-compliance-status", value=="${compliantCvm}", issuer=="AttestationService"] => permit();
};

issuancerules
{
};
`

export const defaultPolicies: Record<OfferedType, string> = { SevSnpVm: compliantOnly, TdxVm: compliantOnly }
