/** OAuth's names for refusals: RFC 6749 section 5.2, RFC 8628 section 3.5, OpenID Connect Core section 3.1.2.6. */
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

/** Entra's numbers, which clients show and match; errors of the sign-in endpoints have OAuth's shape. */
export const signInErrors = {
  AADSTS50011: {
    status: 400,
    error: 'invalid_request',
    when: 'The redirect address is not registered for the application.',
    remedy: 'Open the portal at one of its own addresses.',
  },
  AADSTS50049: {
    status: 400,
    error: 'invalid_request',
    when: 'The authority does not belong to this installation.',
    remedy: 'Use the authority and tenant that `strongroom env` prints.',
  },
  AADSTS50058: {
    status: 400,
    error: 'login_required',
    when: 'A page asked for a silent sign-in, and nobody is signed in.',
    remedy: 'As the owner, run: strongroom portal.',
  },
  AADSTS50148: {
    status: 400,
    error: 'invalid_grant',
    when: 'The code verifier does not match the authorization request (PKCE).',
    remedy: 'Start the sign-in again in the same browser.',
  },
  AADSTS54005: {
    status: 400,
    error: 'invalid_grant',
    when: 'The device code was already used.',
    remedy: 'Start the sign-in again.',
  },
  AADSTS65001: {
    status: 400,
    error: 'invalid_grant',
    when: 'The sign-in was approved for other audiences than the one that the client asks a token for.',
    remedy: 'Sign in again for this audience.',
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
    when: 'The grant exists in Entra, but this installation does not offer it.',
    remedy: 'Sign in as a service principal, or with a device code.',
  },
  AADSTS70003: {
    status: 400,
    error: 'unsupported_grant_type',
    when: 'The grant is unknown.',
    remedy: 'Sign in as a service principal, or with a device code.',
  },
  AADSTS70008: {
    status: 400,
    error: 'invalid_grant',
    when: 'The authorization code has expired, was already used, or belongs to another application.',
    remedy: 'Start the sign-in again.',
  },
  AADSTS70016: {
    status: 400,
    error: 'authorization_pending',
    when: 'The owner has not approved or denied the device code yet.',
    remedy: 'Keep polling; as the owner, run: strongroom env --approve CODE.',
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
    when: 'Too many sign-ins are in progress, or too many device codes are pending.',
    remedy: 'Wait for the time in Retry-After.',
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
    when: 'A page requested something other than an authorization code.',
    remedy: 'Request response_type=code.',
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
    when: 'The application has no federated credential for this issuer and subject.',
    remedy: 'Add a federated identity credential with exactly the assertion’s issuer, subject and audience.',
  },
  AADSTS900144: {
    status: 400,
    error: 'invalid_request',
    when: 'A parameter is missing, or the body is not a form.',
    remedy: 'Send the parameter named in the message.',
  },
  AADSTS1002012: {
    status: 400,
    error: 'invalid_scope',
    when: 'The scope is not a resource followed by /.default.',
    remedy: 'For example, request https://management.azure.com/.default.',
  },
  AADSTS7000215: {
    status: 401,
    error: 'invalid_client',
    when: 'The client secret is wrong, or has expired.',
    remedy: 'Send the secret’s value, not its id; create another with az ad app credential reset.',
  },
  AADSTS7000216: {
    status: 401,
    error: 'invalid_client',
    when: 'The application sent neither a secret nor an assertion.',
    remedy: 'Send client_secret, or client_assertion with its type.',
  },
  AADSTS9000411: {
    status: 400,
    error: 'invalid_request',
    when: 'A parameter occurs twice.',
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
    when: 'A single-page application’s code is redeemed from a foreign origin.',
    remedy: 'Redeem it from the page that requested it.',
  },
} as const satisfies Readonly<Record<`AADSTS${number}`, SignInError>>

export type SignInCode = keyof typeof signInErrors
