/** Template deployments, quota requests and usage. */
export const templateErrors = {
  BillingPeriodNotFound: {
    status: 404,
    when: 'There is no such billing period.',
    remedy: 'Name a month: 202611.',
  },
  DeploymentActive: {
    status: 409,
    when: 'A deployment of this name still runs.',
    remedy: 'Wait until it ends, cancel it, or use another name.',
  },
  DeploymentCanceled: {
    when: 'The deployment was cancelled.',
    remedy: 'Deploy again.',
  },
  DeploymentCannotBeCancelled: {
    status: 409,
    when: 'The deployment does not run.',
    remedy: 'Leave it.',
  },
  DeploymentFailed: {
    status: 409,
    when: 'A resource of the deployment failed; the details say which.',
    remedy: 'Put right what the details say, then deploy again.',
  },
  DeploymentInterrupted: {
    status: 409,
    when: 'The server ended during a deployment with secure parameters, which are kept nowhere.',
    remedy: 'Deploy again: what is there already is found.',
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
    when: 'Parameters are given by a link.',
    remedy: 'Send the parameters themselves.',
  },
  InvalidPriceList: {
    status: 400,
    when: 'The price list has another form.',
    remedy: 'Correct the file; docs/metering.md describes it.',
  },
  InvalidTemplate: {
    status: 400,
    when: 'The template is not valid.',
    remedy: 'Correct it at the place that the error names.',
  },
  InvalidTemplateLink: {
    status: 400,
    when: 'The template is given by a link that leads outside the installation.',
    remedy: 'Send it itself, or keep it as a template spec.',
  },
  InvalidTemplateSpec: {
    status: 400,
    when: 'A template spec has another form.',
    remedy: 'Send what the error’s expected says.',
  },
  PriceListNotFound: {
    status: 404,
    when: 'The installation has no price list: usage is counted, and costs nothing.',
    remedy: 'Give it one: `strongroom cost prices set FILE`.',
  },
  QuotaNotAvailableForSubscription: {
    status: 409,
    when: 'The subscription is of a kind whose quotas are not raised.',
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
    when: 'The quota request was decided already.',
    remedy: 'Have a new one made.',
  },
  QuotaRequestNotFound: {
    status: 404,
    when: 'There is no such quota request.',
    remedy: 'List them: `strongroom quota list`.',
  },
  TemplateFailed: {
    status: 400,
    when: 'The template calls fail().',
    remedy: 'Do what its text says.',
  },
} as const
