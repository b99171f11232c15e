import { compliantCvm } from '@strongroom/contract'
import type { AttestationType } from '@strongroom/contract'

/**
 * Applies until the owner sets a policy: only a compliant confidential VM gets a token. Azure does not publish its own
 * defaults; this one denies whatever the baseline does not vouch for.
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

/** A guest without a hardware report gets a token without hardware claims; one with a report must be compliant. */
const compliantGuest = `version=1.2;

configurationrules
{
};

authorizationrules
{
  ![type=="x-ms-isolation-tee", issuer=="AttestationService"] => permit();
  c:[type=="x-ms-isolation-tee", issuer=="AttestationService"] => \
add(type="isolation-status", value=JsonToClaimValue(JmesPath(c.value, "\\"x-ms-compliance-status\\"")));
  [type=="isolation-status", value=="${compliantCvm}"] => permit();
};

issuancerules
{
};
`

const certifiedKey = `version=1.0;

authorizationrules
{
  [type=="aikValidated", value==true, issuer=="AttestationService"] => permit();
};

issuancerules
{
};
`

export const defaultPolicies: Record<AttestationType, string> = {
  SevSnpVm: compliantOnly,
  TdxVm: compliantOnly,
  AzureGuest: compliantGuest,
  Tpm: certifiedKey,
}
