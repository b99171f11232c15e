/** Requests from guests and readers of endorsements to the host. */
export const metadataErrors = {
  BadRequest: {
    status: 400,
    when: 'A request of the guest to the metadata endpoint is malformed.',
    remedy: 'Send what the message asks for.',
  },
  BootNotReported: {
    status: 503,
    when: 'The guest has not reported its boot yet.',
    remedy: 'Try again once strongroom-agent.service has finished.',
  },
  ChallengeNotFound: {
    status: 404,
    when: 'Nobody waits for the guest’s answer to a challenge, or no longer.',
    remedy: 'Fetch the next challenge.',
  },
  CommandNotFound: {
    status: 404,
    when: 'No such command is running in the guest.',
    remedy: 'Fetch the next command.',
  },
  EndorsementNotFound: {
    status: 404,
    when: 'No endorsement is published for the platform.',
    remedy: 'Ask for one that exists.',
  },
  InvalidBootReport: {
    status: 400,
    when: 'The guest’s boot report is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidCommandResult: {
    status: 400,
    when: 'The result of a command is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidFreshQuote: {
    status: 400,
    when: 'The guest’s answer to a challenge is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidGuestHealth: {
    status: 400,
    when: 'The guest’s health report is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidRequest: {
    status: 400,
    when: 'A token request of the guest lacks a parameter or the Metadata header.',
    remedy: 'Send Metadata: true, resource and api-version.',
  },
  InvalidResource: {
    status: 400,
    when: 'The resource of a token request is not a service’s identifier.',
    remedy: 'Name one of Azure’s, for example https://vault.azure.net.',
  },
  ManagedIdentityNotFound: {
    status: 400,
    when: 'The VM has no such identity.',
    remedy: 'Assign it.',
  },
  MethodNotAllowed: {
    status: 405,
    when: 'The metadata endpoint has no such method at this path.',
    remedy: 'Use GET.',
  },
  NotFound: {
    status: 404,
    when: 'The metadata endpoint has nothing at this path.',
    remedy: 'Check the path.',
  },
  TooManyRequests: {
    status: 429,
    when: 'The guest calls the metadata endpoint too often, or too many verifiers ask it at once.',
    remedy: 'Wait, then repeat the request.',
  },
} as const
