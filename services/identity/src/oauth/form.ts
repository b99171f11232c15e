import { OAuthError } from './oauth-error.ts'

/** The form of a token request. @throws OAuthError invalid_request */
export function formOf(body: unknown): URLSearchParams {
  if (body instanceof URLSearchParams) return body
  throw new OAuthError(
    'AADSTS900144',
    "The request body must be a form that contains the following parameter: 'grant_type'.",
  )
}

/** RFC 6749 section 3.2: parameters must not be repeated, and an empty one counts as absent. */
export function optional(form: URLSearchParams, name: string): string | undefined {
  const values = form.getAll(name)
  if (values.length <= 1) return values[0] === '' ? undefined : values[0]
  throw new OAuthError('AADSTS9000411', `The parameter '${name}' is duplicated.`)
}

export function required(form: URLSearchParams, name: string): string {
  const value = optional(form, name)
  if (value !== undefined) return value
  throw new OAuthError('AADSTS900144', `The request body must contain the following parameter: '${name}'.`)
}
