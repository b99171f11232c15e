import type { AskedBy, ErrorDetail } from '@strongroom/contract'
import type { FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { ServiceError } from '../errors/errors.ts'

/** The caller, from the verified token. */
export interface Caller {
  objectId: string
  appId: string
  tenantId: string
  claims: Record<string, unknown>
  /** The control plane's caller. For logs: all rights are the token's own. */
  askedBy?: AskedBy
}

export interface TokenVerifier {
  /**
   * Checks signature, issuer, tenant, times and audience.
   * @throws ServiceError 401 InvalidAuthenticationToken, ExpiredAuthenticationToken or InvalidAuthenticationTokenAudience
   */
  verify(token: string, audiences: string[]): Promise<Caller>
}

export interface TokenSource {
  /** An access token of one of the platform's own principals, cached until shortly before it expires. */
  token(principal: 'orchestrator' | 'controlPlane' | 'attestation', audience: string): Promise<string>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by requireBearer; reading it on other routes throws. */
    caller: Caller
  }
}

/** RFC 6750 section 2.1, with the scheme's name in any case (RFC 9110 section 11.1). */
const bearer = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i

/** The bearer token of a request; undefined if it has none. */
export const bearerOf = (request: FastifyRequest): string | undefined =>
  bearer.exec(request.headers.authorization ?? '')?.[1]

/**
 * Refuses requests without a valid token. An onRequest hook, so that it runs before the body is read: clients send
 * their first request without a body and expect the challenge.
 */
export function requireBearer(o: {
  verifier: TokenVerifier
  audiences: string[]
  /** Content of WWW-Authenticate, for example `Bearer authorization="…", resource="…"`. */
  challenge: (request: FastifyRequest) => string
}): onRequestAsyncHookHandler {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    const refuse = (detail: ErrorDetail): ServiceError =>
      ServiceError.relayed({ ...detail, innererror: { remedy, ...detail.innererror } }, 401, {
        headers: { 'www-authenticate': o.challenge(request) },
      })
    if (request.headers.authorization === undefined) {
      const message = 'Authentication failed. The Authorization header is missing.'
      throw refuse({ code: 'AuthenticationFailed', message })
    }
    const token = bearerOf(request)
    if (token === undefined) {
      const message = 'Authentication failed. The Authorization header is not a bearer token.'
      throw refuse({ code: 'AuthenticationFailedInvalidHeader', message })
    }
    try {
      request.caller = await o.verifier.verify(token, o.audiences)
    } catch (error) {
      if (error instanceof ServiceError && error.status === 401) throw refuse(error.toDetail())
      throw error
    }
  }
}

const remedy = 'Send the header Authorization: Bearer with an access token of this audience.'
