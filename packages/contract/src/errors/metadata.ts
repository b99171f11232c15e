/** What guests and readers of endorsements ask the host. */
export const metadataErrors = {
  BadRequest: {
    status: 400,
    when: 'A request of the guest to the metadata endpoint has another form.',
    remedy: 'Send what the message says.',
  },
  BootNotReported: {
    status: 503,
    when: 'The guest has not reported its boot yet.',
    remedy: 'Ask again once strongroom-agent.service has ended.',
  },
  CommandNotFound: {
    status: 404,
    when: 'No such command runs in the guest.',
    remedy: 'Fetch the next command.',
  },
  EndorsementNotFound: {
    status: 404,
    when: 'No endorsement is published for the platform.',
    remedy: 'Ask for one that exists.',
  },
  InvalidBootReport: {
    status: 400,
    when: 'The guest’s report of its boot has another form.',
    remedy: 'Send what the message names.',
  },
  InvalidCommandResult: {
    status: 400,
    when: 'The result of a command has another form.',
    remedy: 'Send what the message names.',
  },
  InvalidGuestHealth: {
    status: 400,
    when: 'The guest’s report of its health has another form.',
    remedy: 'Send what the message names.',
  },
  InvalidRequest: {
    status: 400,
    when: 'A token request of the guest lacks a parameter, or its header.',
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
    when: 'The guest asks the metadata endpoint too often.',
    remedy: 'Wait, then repeat the request.',
  },
} as const
