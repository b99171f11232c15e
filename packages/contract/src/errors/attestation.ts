/** Attestation providers, their policies, decisions and collateral. */
export const attestationErrors = {
  AcceptedSiliconInvalid: {
    status: 500,
    when: 'The file that names other installations’ silicon is malformed.',
    remedy: 'Correct it as the error shows, or remove it.',
  },
  AttestationTypeNotOffered: {
    status: [400, 501],
    when: 'The request attests an enclave.',
    remedy: 'Attest a confidential VM.',
  },
  AttestationVerifierNameTaken: {
    status: 500,
    when: 'A provider of another origin has the same name as one in this installation.',
    remedy: 'Rename one of the two.',
  },
  ChallengeExpired: {
    when: 'The challenge of a TPM attestation has expired.',
    remedy: 'Ask for a new one, and answer it within 5 minutes.',
  },
  ChallengeUnknown: {
    when: 'The challenge of a TPM attestation was not issued by this provider.',
    remedy: 'Ask for a new one.',
  },
  CollateralEndpointsInvalid: {
    status: 500,
    when: 'The file with the collateral services’ addresses is malformed.',
    remedy: 'Correct it as the error shows, or remove it.',
  },
  CollateralRefused: {
    status: 400,
    when: 'Imported collateral is not genuine, or is malformed.',
    remedy: 'Export the bundle again on a host that can reach the vendors.',
  },
  CollateralSuperseded: {
    when: 'This service has already seen newer collateral from the vendor.',
    remedy: 'Fetch the collateral again.',
  },
  CollateralUnavailable: {
    status: 503,
    when: 'The endorsements of the platform are unavailable.',
    remedy: 'Check that the collateral service answers, or import a newer bundle.',
  },
  DecisionNotFound: {
    status: 404,
    when: 'There is no such decision on record.',
    remedy: 'List them; the oldest are forgotten.',
  },
  EvidenceNotKept: {
    status: 404,
    when: 'The evidence of the decision is no longer kept.',
    remedy: 'Fetch bundles soon after the decision.',
  },
  Forbidden: {
    status: 403,
    when: 'The caller may not do this at the provider.',
    remedy: 'Sign in as the owner, or ask for a role at the provider.',
  },
  HardwareReportMissing: {
    when: 'The evidence comes from a TPM alone, which proves nothing against the host.',
    remedy: 'Run the guest as a confidential VM.',
  },
  InvalidApiVersionParameter: {
    status: 400,
    when: 'The api-version is not known.',
    remedy: 'Use one that the error lists.',
  },
  InvalidOperation: {
    status: 400,
    when: 'The provider’s state or trust model does not allow the operation.',
    remedy: 'Follow the error’s remedy.',
  },
  InvalidParameter: {
    status: 400,
    when: 'Evidence or another part of the request is malformed or not genuine; the details have a more specific code.',
    remedy: 'Take fresh evidence and send it unchanged.',
  },
  MissingApiVersionParameter: {
    status: 400,
    when: 'The request has no api-version.',
    remedy: 'Add one to the query.',
  },
  NameNotAvailable: {
    status: 409,
    when: 'The name is or was that of another attestation provider.',
    remedy: 'Use another name.',
  },
  NotCompliant: {
    when: 'A baseline rule is not met.',
    remedy: 'Make the VM meet the policy.',
  },
  PolicyEvaluationError: {
    status: 400,
    when: 'The evidence is genuine, and the policy does not permit it.',
    remedy: 'Make the VM meet the policy, or have the policy changed.',
  },
  PolicyParsingError: {
    status: 400,
    when: 'The text is not a policy.',
    remedy: 'Correct it at the line that the error names.',
  },
  ProviderNotFound: {
    status: 404,
    when: 'There is no such attestation provider.',
    remedy: 'Create it, or use another provider.',
  },
  RequestSignatureInvalid: {
    when: 'The request is not signed by its attest_key.',
    remedy: 'Sign it with the private key of attest_key.',
  },
  StatementBeforeRestart: {
    when: 'The TPM has restarted since it signed the statements.',
    remedy: 'Take a new quote in the running guest.',
  },
  StatementReplayed: {
    when: 'The TPM’s statements were already used.',
    remedy: 'Take a new quote for each request.',
  },
  TcbMinimumInvalid: {
    status: 500,
    when: 'The file with minimum security versions is malformed.',
    remedy: 'Correct it as the error shows, or remove it.',
  },
  TooManyRequests: {
    status: 429,
    when: 'The caller made too many attest calls.',
    remedy: 'Wait for the time in Retry-After.',
  },
  TrustAnchorsMissing: {
    status: 500,
    when: 'A simulated installation lacks the roots of its own silicon.',
    remedy: 'Start the host service first.',
  },
  TrustAnchorsNotAllowed: {
    status: 500,
    when: 'Roots of simulated silicon were given to an installation in hardware mode.',
    remedy: 'Create another installation for simulated silicon.',
  },
  VendorRefused: {
    status: [502, 503],
    when: 'AMD’s or Intel’s service refused a request for collateral.',
    remedy: 'Wait, or import a bundle: `strongroom collateral import`.',
  },
  VendorUnreachable: {
    status: 503,
    when: 'AMD’s or Intel’s service cannot be reached.',
    remedy: 'Allow this host to call it, or import a bundle.',
  },
} as const
