/** OAuth's own word for a refusal: RFC 6749 section 5.2, RFC 8628 section 3.5, OpenID Connect Core section 3.1.2.6. */
export type OAuthErrorName =
  | 'authorization_declined'
  | 'authorization_pending'
  | 'expired_token'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_request'
  | 'invalid_scope'
  | 'login_required'
  | 'temporarily_unavailable'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'

interface SignInError {
  readonly status: 400 | 401 | 429
  /** What OAuth calls it. */
  readonly error: OAuthErrorName
  readonly when: string
  readonly remedy: string
}

/** Entra's numbers, which clients show and match on; errors of the sign-in endpoints have OAuth's shape. */
export const signInErrors = {
  AADSTS50011: {
    status: 400,
    error: 'invalid_request',
    when: 'The redirect address is not one of the application’s.',
    remedy: 'Open the portal at one of its own addresses.',
  },
  AADSTS50049: {
    status: 400,
    error: 'invalid_request',
    when: 'The authority is not of this installation.',
    remedy: 'Use the authority and tenant that `strongroom env` prints.',
  },
  AADSTS50058: {
    status: 400,
    error: 'login_required',
    when: 'A page asked for a sign-in, and nobody is signed in.',
    remedy: 'As the owner, run: strongroom portal.',
  },
  AADSTS50148: {
    status: 400,
    error: 'invalid_grant',
    when: 'The code verifier is not the one that the authorization request was made with (PKCE).',
    remedy: 'Start the sign-in again in the same browser.',
  },
  AADSTS54005: {
    status: 400,
    error: 'invalid_grant',
    when: 'The device code was used already.',
    remedy: 'Start the sign-in again.',
  },
  AADSTS70000: {
    status: 400,
    error: 'invalid_grant',
    when: 'There is no such device code for this client.',
    remedy: 'Start the sign-in again.',
  },
  AADSTS70001: {
    status: 400,
    error: 'unauthorized_client',
    when: 'The grant is one of Entra’s that this installation does not offer.',
    remedy: 'Sign in as a service principal, or by device code.',
  },
  AADSTS70003: {
    status: 400,
    error: 'unsupported_grant_type',
    when: 'The grant is not known.',
    remedy: 'Sign in as a service principal, or by device code.',
  },
  AADSTS70008: {
    status: 400,
    error: 'invalid_grant',
    when: 'The authorization code has expired, was used, or is of another application.',
    remedy: 'Start the sign-in again.',
  },
  AADSTS70016: {
    status: 400,
    error: 'authorization_pending',
    when: 'The owner has not decided about the device code yet.',
    remedy: 'Go on asking; as the owner, run: strongroom env --approve CODE.',
  },
  AADSTS70018: {
    status: 400,
    error: 'authorization_declined',
    when: 'The owner declined the sign-in.',
    remedy: 'Ask the owner.',
  },
  AADSTS70020: {
    status: 400,
    error: 'expired_token',
    when: 'The device code has expired.',
    remedy: 'Start the sign-in again: a code lasts 15 minutes.',
  },
  AADSTS90002: {
    status: 400,
    error: 'invalid_request',
    when: 'There is no such tenant here.',
    remedy: 'Use the tenant that `strongroom env` prints.',
  },
  AADSTS90033: {
    status: 429,
    error: 'temporarily_unavailable',
    when: 'Too many sign-ins are under way, or too many device codes wait.',
    remedy: 'Wait as long as Retry-After says.',
  },
  AADSTS700016: {
    status: 400,
    error: 'unauthorized_client',
    when: 'There is no such application.',
    remedy: 'Check the client id: az ad sp list.',
  },
  AADSTS700027: {
    status: 401,
    error: 'invalid_client',
    when: 'The client assertion does not verify; the message says why.',
    remedy: 'Sign it with the key of the application’s credential, for this token endpoint.',
  },
  AADSTS700054: {
    status: 400,
    error: 'unsupported_response_type',
    when: 'A page asked for something other than an authorization code.',
    remedy: 'Ask for response_type=code.',
  },
  AADSTS700082: {
    status: 400,
    error: 'invalid_grant',
    when: 'The refresh token has expired, or is not valid for this client.',
    remedy: 'Sign in again.',
  },
  AADSTS700213: {
    status: 401,
    error: 'invalid_client',
    when: 'The application trusts no such issuer and subject.',
    remedy: 'Add a federated identity credential with exactly the assertion’s issuer, subject and audience.',
  },
  AADSTS900144: {
    status: 400,
    error: 'invalid_request',
    when: 'A parameter is missing, or the body is not a form.',
    remedy: 'Send the parameter that the message names.',
  },
  AADSTS1002012: {
    status: 400,
    error: 'invalid_scope',
    when: 'The scope is not a resource followed by /.default.',
    remedy: 'Ask for https://management.azure.com/.default, for example.',
  },
  AADSTS7000215: {
    status: 401,
    error: 'invalid_client',
    when: 'The client secret is wrong, or has expired.',
    remedy: 'Send the secret’s value, not its id; make another with az ad app credential reset.',
  },
  AADSTS7000216: {
    status: 401,
    error: 'invalid_client',
    when: 'The application shows neither a secret nor an assertion.',
    remedy: 'Send client_secret, or client_assertion with its type.',
  },
  AADSTS9000411: {
    status: 400,
    error: 'invalid_request',
    when: 'A parameter stands twice.',
    remedy: 'Send it once.',
  },
  AADSTS9002325: {
    status: 400,
    error: 'invalid_request',
    when: 'A page signs in without PKCE (S256).',
    remedy: 'Send code_challenge and code_challenge_method=S256.',
  },
  AADSTS9002327: {
    status: 400,
    error: 'invalid_request',
    when: 'A code of a single-page application is redeemed from another origin than its own.',
    remedy: 'Redeem it from the page that asked for it.',
  },
} as const satisfies Readonly<Record<`AADSTS${number}`, SignInError>>

export type SignInCode = keyof typeof signInErrors
