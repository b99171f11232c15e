import type { FastifyReply, FastifyRequest } from '@strongroom/platform'

/** RFC 6749 section 5.2 with Entra's additions, which clients show and match on. */
export interface OAuthErrorOptions {
  status: 400 | 401 | 429
  error:
    | 'authorization_declined'
    | 'authorization_pending'
    | 'expired_token'
    | 'invalid_client'
    | 'invalid_grant'
    | 'invalid_request'
    | 'invalid_scope'
    | 'invalid_resource'
    | 'login_required'
    | 'temporarily_unavailable'
    | 'unauthorized_client'
    | 'unsupported_grant_type'
    | 'unsupported_response_type'
  /** Entra's number, as in AADSTS7000215. */
  number: number
  message: string
}

export class OAuthError extends Error {
  readonly status: number
  readonly error: string
  readonly number: number

  constructor(o: OAuthErrorOptions) {
    super(o.message)
    this.name = 'OAuthError'
    this.status = o.status
    this.error = o.error
    this.number = o.number
  }

  send(request: FastifyRequest, reply: FastifyReply, now: Date): FastifyReply {
    const timestamp = now
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z$/, 'Z')
    if (this.status === 429) reply.header('retry-after', '5')
    // RFC 6749: a client that authenticated by the header is told the scheme.
    if (this.status === 401 && request.headers.authorization !== undefined)
      reply.header('www-authenticate', 'Basic realm="Strongroom"')
    return reply.code(this.status).send({
      error: this.error,
      error_description: `AADSTS${this.number}: ${this.message} Trace ID: ${request.id} Correlation ID: ${request.id} Timestamp: ${timestamp}`,
      error_codes: [this.number],
      timestamp,
      trace_id: request.id,
      correlation_id: request.id,
    })
  }
}

/** Of what anyone may ask for, there is only so much. */
export const busy = (): OAuthError =>
  new OAuthError({
    status: 429,
    error: 'temporarily_unavailable',
    number: 90_033,
    message: 'A transient error has occurred: too many sign-ins are under way. Please try again.',
  })
