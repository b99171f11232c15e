import { signInErrors, type OAuthErrorName, type SignInCode } from '@strongroom/contract/errors'
import type { FastifyReply, FastifyRequest } from '@strongroom/platform'

/** RFC 6749 section 5.2 with Entra's additions, which clients show and match. Status and error come from the catalogue. */
export class OAuthError extends Error {
  readonly code: SignInCode
  readonly status: 400 | 401 | 429
  readonly error: OAuthErrorName

  constructor(code: SignInCode, message: string) {
    super(message)
    this.name = 'OAuthError'
    this.code = code
    this.status = signInErrors[code].status
    this.error = signInErrors[code].error
  }

  send(request: FastifyRequest, reply: FastifyReply, now: Date): FastifyReply {
    const timestamp = now
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, 'Z')
    if (this.status === 429) reply.header('retry-after', '5')
    // RFC 6749: a client that authenticated by header is told the scheme.
    if (this.status === 401 && request.headers.authorization !== undefined)
      reply.header('www-authenticate', 'Basic realm="Strongroom"')
    return reply.code(this.status).send({
      error: this.error,
      error_description: `${this.code}: ${this.message} Trace ID: ${request.id} Correlation ID: ${request.id} Timestamp: ${timestamp}`,
      error_codes: [Number(this.code.slice('AADSTS'.length))],
      timestamp,
      trace_id: request.id,
      correlation_id: request.id,
    })
  }
}

/** A limit on what anyone may request. */
export const busy = (): OAuthError =>
  new OAuthError('AADSTS90033', 'A transient error has occurred: too many sign-ins are under way. Please try again.')

export function unknownTenant(tenant: string): OAuthError {
  return new OAuthError(
    'AADSTS90002',
    `Tenant '${tenant.slice(0, 64)}' not found. Check to make sure you have the correct tenant ID.`,
  )
}
