/** The owner’s test API and the files of the portal. */
export const testApiErrors = {
  FaultNotFound: {
    status: 404,
    when: 'The test API has no fault with this id.',
    remedy: 'List them: `strongroom test status`.',
  },
  Forbidden: {
    status: 403,
    when: 'The test API made the key appear disabled.',
    remedy: 'Clear the fault.',
  },
  InvalidClock: {
    status: 400,
    when: 'The clock cannot be moved to the requested time.',
    remedy: 'Use a time in the range that the error gives.',
  },
  InvalidFault: {
    status: 400,
    when: 'The description of a fault is malformed.',
    remedy: 'docs/proof/testing.md lists the faults.',
  },
  KeyDisabled: {
    when: 'The test API made the key appear disabled.',
    remedy: 'Clear the fault.',
  },
  PortalNotBuilt: {
    status: 503,
    when: 'The portal is not built.',
    remedy: 'Run scripts/setup.sh, then start the server again.',
  },
  ServiceUnavailable: {
    status: 503,
    when: 'The test API made the attestation provider unavailable.',
    remedy: 'Clear the fault.',
  },
  TestApiRefused: {
    status: 409,
    when: '--test-api was passed for an installation that is not in simulated mode.',
    remedy: 'Leave --test-api out.',
  },
  TooManyRequests: {
    status: 429,
    when: 'The test API throttles the request.',
    remedy: 'Wait for the time in Retry-After.',
  },
} as const
