/** Template deployments, quota requests and usage. */
export const templateErrors = {
  BillingPeriodNotFound: {
    status: 404,
    when: 'There is no such billing period.',
    remedy: 'Name a month: 202611.',
  },
  DeploymentActive: {
    status: 409,
    when: 'A deployment with this name is still running.',
    remedy: 'Wait until it ends, cancel it, or use another name.',
  },
  DeploymentCanceled: {
    when: 'The deployment was cancelled.',
    remedy: 'Deploy again.',
  },
  DeploymentCannotBeCancelled: {
    status: 409,
    when: 'The deployment is not running.',
    remedy: 'Leave it.',
  },
  DeploymentFailed: {
    status: 409,
    when: 'A resource of the deployment failed; the details say which.',
    remedy: 'Fix what the details report, then deploy again.',
  },
  DeploymentInterrupted: {
    status: 409,
    when: 'The server stopped during a deployment with secure parameters, which are never stored.',
    remedy: 'Deploy again: existing resources are recognised.',
  },
  DeploymentNotFound: {
    status: 404,
    when: 'There is no such deployment.',
    remedy: 'List them: az deployment group list.',
  },
  InvalidDeploymentName: {
    status: 400,
    when: 'The name of a deployment has characters or a length that is not allowed.',
    remedy: 'Use another name.',
  },
  InvalidParametersLink: {
    status: 400,
    when: 'Parameters are passed by link.',
    remedy: 'Send the parameters themselves.',
  },
  InvalidPriceList: {
    status: 400,
    when: 'The price list is malformed.',
    remedy: 'Correct the file; docs/guides/costs.md describes it.',
  },
  InvalidTemplate: {
    status: 400,
    when: 'The template is not valid.',
    remedy: 'Correct it at the place that the error names.',
  },
  InvalidTemplateLink: {
    status: 400,
    when: 'The template is passed as a link that points outside the installation.',
    remedy: 'Send the template itself, or store it as a template spec.',
  },
  InvalidTemplateSpec: {
    status: 400,
    when: 'A template spec is malformed.',
    remedy: 'Send what the error lists as expected.',
  },
  PriceListNotFound: {
    status: 404,
    when: 'The installation has no price list: usage is counted but costs nothing.',
    remedy: 'Set one: `strongroom cost prices set FILE`.',
  },
  QuotaNotAvailableForSubscription: {
    status: 409,
    when: 'Quotas are not raised for this kind of subscription.',
    remedy: 'Have the operator upgrade it: `strongroom quota kind pay-as-you-go`.',
  },
  QuotaNotFound: {
    status: 404,
    when: 'There is no such quota in the region.',
    remedy: 'List the quotas of the region.',
  },
  QuotaReductionNotSupported: {
    status: 400,
    when: 'The requested limit is not above the current one.',
    remedy: 'Ask for a higher limit.',
  },
  QuotaRequestDecided: {
    status: 409,
    when: 'The quota request was already decided.',
    remedy: 'Submit a new one.',
  },
  QuotaRequestNotFound: {
    status: 404,
    when: 'There is no such quota request.',
    remedy: 'List them: `strongroom quota list`.',
  },
  TemplateFailed: {
    status: 400,
    when: 'The template calls fail().',
    remedy: 'Follow its text.',
  },
} as const
