/** The directory, managed identities and the owner’s socket. Token endpoints answer as in sign-in.ts. */
export const identityErrors = {
  AlreadyRunning: {
    status: 409,
    when: 'Another server uses the state directory.',
    remedy: 'Stop it first.',
  },
  AuthorizationFailed: {
    status: 403,
    when: 'The caller may not use this part of the service.',
    remedy: 'Use the management API, or the metadata endpoint of the VM.',
  },
  Authorization_RequestDenied: {
    status: 403,
    when: 'The caller may not read or change the directory.',
    remedy: 'Sign in as the owner.',
  },
  DeviceCodeNotFound: {
    status: 404,
    when: 'No sign-in is waiting for the code.',
    remedy: 'Check it, or start the sign-in again: a code lasts 15 minutes.',
  },
  DeviceSignInNotShown: {
    status: 409,
    when: 'An approval of a sign-in by device code does not state the client and the audiences that it asks for.',
    remedy: 'Read what it asks for first: strongroom env --approve CODE.',
  },
  InvalidCertificate: {
    status: 400,
    when: 'A key credential is not a certificate that applications can sign in by.',
    remedy: 'Create one with openssl req -x509.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'A part of the request is missing or malformed.',
    remedy: 'Send what the error names.',
  },
  ManagedIdentityAmbiguous: {
    status: 400,
    when: 'The resource has several identities, and none was named.',
    remedy: 'Name one.',
  },
  ManagedIdentityNotFound: {
    status: 400,
    when: 'The resource has no such identity.',
    remedy: 'Assign it.',
  },
  NotFound: {
    status: 404,
    when: 'Nothing answers at this path.',
    remedy: 'Check the path and the method.',
  },
  Request_BadRequest: {
    status: 400,
    when: 'A directory request is not in the form that Graph accepts.',
    remedy: 'Follow the message.',
  },
  Request_MultipleObjectsWithSameKeyValue: {
    status: 409,
    when: 'A credential with this name, or with this issuer and subject, already exists.',
    remedy: 'Delete the other one first.',
  },
  Request_ResourceNotFound: {
    status: 404,
    when: 'The directory has no such object.',
    remedy: 'Check its id.',
  },
  Request_UnsupportedQuery: {
    status: 400,
    when: 'A $filter of the directory is not understood.',
    remedy: 'Filter by a property that the error lists.',
  },
  StateDirectoryTooLong: {
    status: 400,
    when: 'The path of the state directory is too long for a socket in it.',
    remedy: 'Choose a shorter one.',
  },
  TooManyCredentials: {
    status: 400,
    when: 'The application has reached its credential limit.',
    remedy: 'Delete unused ones.',
  },
} as const
