import { Agent } from 'node:https'
import { isIP } from 'node:net'
import { ServiceError } from '../errors/errors.ts'
import type { AttestationVerifier } from './verifiers.ts'

/** How one request reaches its peer. */
export interface OutsideRoute {
  agent: Agent
  host: string
  port: number
  /** Name in TLS. */
  servername: string
}

/** Ways to the attestation providers of other origins that the operator named. */
export interface OutsideRoutes {
  /**
   * Undefined if the address belongs to none of them.
   * @throws ServiceError PeerNotAllowed for anything but an attest call or the key set, and for any request with a
   * token of ours
   */
  find(method: string, url: URL, hasToken: boolean): OutsideRoute | undefined
  close(): void
}

const attestCall = /^\/attest\/[A-Za-z]{1,40}$/

export function outsideRoutes(verifiers: readonly AttestationVerifier[]): OutsideRoutes {
  const agents = new Map<AttestationVerifier, Agent>()
  const agentOf = (verifier: AttestationVerifier): Agent => {
    const { authorityPem: ca } = verifier
    const made =
      agents.get(verifier) ??
      new Agent({ keepAlive: true, maxSockets: 16, minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) })
    agents.set(verifier, made)
    return made
  }
  return {
    find: (method, url, hasToken) => {
      const verifier = verifiers.find(
        ({ issuer, keys }) => issuer === url.origin || keys === `${url.origin}${url.pathname}`,
      )
      if (verifier === undefined) return undefined
      const isKeySet = method === 'GET' && url.href === verifier.keys
      const isAttest = method === 'POST' && url.origin === verifier.issuer && attestCall.test(url.pathname)
      if (!(isKeySet || isAttest) || hasToken)
        throw new ServiceError({
          code: 'PeerNotAllowed',
          message: `The attestation provider ${verifier.name} of another origin is called for tokens and keys only.`,
          expected: `POST ${verifier.issuer}/attest/…, GET ${verifier.keys}, without a token`,
          found: `${method} ${url.origin}${url.pathname}`,
        })
      const { hostname } = url
      const connect = url.origin === verifier.issuer ? verifier.connect : undefined
      return {
        agent: agentOf(verifier),
        host: connect?.host ?? hostname,
        port: connect?.port ?? (url.port === '' ? 443 : Number(url.port)),
        servername: isIP(hostname) === 0 ? hostname : '',
      }
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}
