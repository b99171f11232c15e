/** The directory, managed identities and the owner’s socket. Token endpoints answer as sign-in.ts says. */
export const identityErrors = {
  AlreadyRunning: {
    status: 409,
    when: 'Another server works on the state directory.',
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
    when: 'No sign-in waits for the code.',
    remedy: 'Check it, or start the sign-in again: a code lasts 15 minutes.',
  },
  InvalidCertificate: {
    status: 400,
    when: 'A key credential is not a certificate that applications can sign in by.',
    remedy: 'Make one with openssl req -x509.',
  },
  InvalidRequestContent: {
    status: 400,
    when: 'A part of the request is missing or has another form.',
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
    when: 'A directory request is not of the form that Graph takes.',
    remedy: 'Do what the message says.',
  },
  Request_MultipleObjectsWithSameKeyValue: {
    status: 409,
    when: 'A credential of this name, or with this issuer and subject, exists.',
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
    remedy: 'Filter by a property that the error names.',
  },
  StateDirectoryTooLong: {
    status: 400,
    when: 'The path of the state directory is too long for a socket in it.',
    remedy: 'Choose a shorter one.',
  },
  TooManyCredentials: {
    status: 400,
    when: 'The application has as many credentials as it may.',
    remedy: 'Delete those that are not used.',
  },
} as const
