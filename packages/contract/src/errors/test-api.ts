/** The owner’s test API and the files of the portal. */
export const testApiErrors = {
  FaultNotFound: {
    status: 404,
    when: 'The test API has no fault of this id.',
    remedy: 'List them: `strongroom test status`.',
  },
  Forbidden: {
    status: 403,
    when: 'The test API lets the key be disabled.',
    remedy: 'Take the fault away.',
  },
  InvalidClock: {
    status: 400,
    when: 'The clock cannot be moved to the time that was asked for.',
    remedy: 'Name a time in the range that the error says.',
  },
  InvalidFault: {
    status: 400,
    when: 'A fault is described in another form.',
    remedy: 'docs/testing.md lists the faults.',
  },
  KeyDisabled: {
    when: 'The test API lets the key be disabled.',
    remedy: 'Take the fault away.',
  },
  PortalNotBuilt: {
    status: 503,
    when: 'The portal was not built.',
    remedy: 'Run scripts/setup.sh, then start the server again.',
  },
  ServiceUnavailable: {
    status: 503,
    when: 'The test API lets the attestation provider be away.',
    remedy: 'Take the fault away.',
  },
  TestApiRefused: {
    status: 409,
    when: '--test-api was given for an installation that is not in simulated mode.',
    remedy: 'Leave --test-api out.',
  },
  TooManyRequests: {
    status: 429,
    when: 'The test API throttles the request.',
    remedy: 'Wait as long as Retry-After says.',
  },
} as const
