/** Any service may answer these; `packages/platform` creates them. */
export const serverErrors = {
  AuthenticationFailed: {
    status: 401,
    when: 'The Authorization header is missing.',
    remedy: 'Send Authorization: Bearer with an access token for this service.',
  },
  AuthenticationFailedInvalidHeader: {
    status: 401,
    when: 'The Authorization header is not a bearer token.',
    remedy: 'Send Authorization: Bearer with an access token for this service.',
  },
  BadGateway: {
    status: 502,
    when: 'The installation did not answer a request under one of Azure’s own names.',
    remedy: 'Check server.log, then repeat the request.',
  },
  BadRequest: {
    status: 400,
    when: 'The web server cannot read the request.',
    remedy: 'Send a well-formed HTTP request.',
  },
  Canceled: {
    status: 409,
    when: 'The operation was cancelled.',
    remedy: 'Repeat the request if it is still wanted.',
  },
  ClientClosedRequest: {
    status: 499,
    when: 'The client closed its connection before the answer was there.',
    remedy: 'Wait for the answer.',
  },
  CrossSiteRequest: {
    status: 403,
    when: 'A page of another site sent the request.',
    remedy: 'Use the portal, or call the service by its own name.',
  },
  ExpiredAuthenticationToken: {
    status: 401,
    when: 'The access token has expired.',
    remedy: 'Sign in again.',
  },
  Failed: {
    status: 409,
    when: 'The operation failed without a reason.',
    remedy: 'See the log of the server.',
  },
  InternalError: {
    status: 500,
    when: 'The server failed unexpectedly. The log has the request id.',
    remedy: 'Report it with the request id and server.log.',
  },
  InvalidAuthenticationToken: {
    status: 401,
    when: 'The access token is malformed, is not signed by this installation, or names no principal.',
    remedy: 'Sign in again.',
  },
  InvalidAuthenticationTokenAudience: {
    status: 401,
    when: 'The access token is for another service.',
    remedy: 'Ask for a token for the audience that WWW-Authenticate names.',
  },
  InvalidAuthenticationTokenTenant: {
    status: 401,
    when: 'The access token belongs to another tenant.',
    remedy: 'Sign in at the tenant of this installation.',
  },
  InvalidField: {
    when: 'A member of the request is malformed.',
    remedy: 'Send what the message asks for.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'The body is not JSON, or not in the form that the operation accepts.',
    remedy: 'Send what the error lists as expected.',
  },
  MethodNotAllowed: {
    status: 405,
    when: 'The local listener accepts only GET and HEAD.',
    remedy: 'Use GET.',
  },
  NotForwarded: {
    status: 404,
    when: 'The portal does not forward to the requested service.',
    remedy: 'Call the service by its own name.',
  },
  NotFound: {
    status: 404,
    when: 'Nothing answers at this path.',
    remedy: 'Check the path and the method.',
  },
  OperationCanceled: {
    status: 409,
    when: 'The operation was cancelled.',
    remedy: 'Repeat the request if it is still wanted.',
  },
  OperationInterrupted: {
    status: 503,
    when: 'The server stopped while the request waited for an operation. The operation resumes when the server starts again.',
    remedy: 'Start the server, then query the operation.',
  },
  OperationNotFound: {
    status: 404,
    when: 'There is no operation with this id.',
    remedy: 'Use the address from the response that started it.',
  },
  OperationStepUnknown: {
    status: 500,
    when: 'An operation started by another version has a step that this version lacks.',
    remedy: 'Repeat the request.',
  },
  PeerAnswerInvalid: {
    status: 502,
    when: 'Another service answered with something other than JSON.',
    remedy: 'See the log of that service.',
  },
  PeerFailed: {
    status: 502,
    when: 'Another service failed without a reason.',
    remedy: 'See the log of that service.',
  },
  PeerNotAllowed: {
    status: 500,
    when: 'A service tried to call an address outside the installation for something other than tokens and keys.',
    remedy: 'Report it: this is a bug.',
  },
  PeerTimeout: {
    status: 504,
    when: 'Another service did not answer in time.',
    remedy: 'Repeat the request.',
  },
  PeerUnreachable: {
    status: 503,
    when: 'Another service cannot be reached.',
    remedy: 'Check that the server is running, then repeat the request.',
  },
  ReleaseStepsApart: {
    status: 409,
    when: 'A host and the server are more than one release apart.',
    remedy: 'Update one release at a time: the server first, then the hosts (docs/guides/fleet.md).',
  },
  RequestEntityTooLarge: {
    status: 413,
    when: 'The body is longer than the operation accepts.',
    remedy: 'Send a shorter body.',
  },
  RowAltered: {
    status: 500,
    when: 'A row of the database was changed by something other than this server.',
    remedy: 'Restore the database from a backup, and find out who wrote to it.',
  },
  ServerBusy: {
    status: 503,
    when: 'Other requests kept changing the same resources.',
    remedy: 'Repeat the request.',
  },
  StorageFull: {
    status: 507,
    when: 'The disk with the state directory is full.',
    remedy: 'Free space on that disk, then repeat the request.',
  },
  StoreUnavailable: {
    status: 503,
    when: 'The database does not answer, or is failing over to another server.',
    remedy: 'Repeat the request. If the error persists, check the database.',
  },
  UnknownField: {
    when: 'The request has an unknown member.',
    remedy: 'Leave it out.',
  },
  UnknownHost: {
    status: 421,
    when: 'No service of the installation has the request’s host name.',
    remedy: 'Check the host name in the URL.',
  },
  UnsupportedMediaType: {
    status: 415,
    when: 'The operation does not accept the content type.',
    remedy: 'Send application/json.',
  },
} as const
