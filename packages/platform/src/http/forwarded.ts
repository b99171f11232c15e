import type { IncomingMessage } from 'node:http'
import { forwardPrefix, isForwarded } from '@strongroom/contract'
import { ServiceError } from '../errors/errors.ts'
import { hostOf } from './host.ts'

export interface Forwarded {
  host: string
  /** Request target at that host. */
  url: string
}

/** Required on every answer below the portal's origin that is not one of its pages: shown as a document, it must run nothing. */
export const forwardedPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

/**
 * Target of a request at the portal's origin, `/-/HOST/PATH`; undefined if it is for the portal itself. Browsers report
 * which page asks: no other page may use a signed-in person's browser to send requests here.
 * @throws ServiceError 403 CrossSiteRequest, 404 NotForwarded
 */
export function forwardedTo(request: IncomingMessage): Forwarded | undefined {
  const target = request.url ?? '/'
  if (!target.startsWith(forwardPrefix)) return undefined
  const [, name = '', path = ''] = /^([^/?#]*)(.*)$/s.exec(target.slice(forwardPrefix.length)) ?? []
  const host = hostOf(name)
  if (host !== name || !isForwarded(host)) {
    throw new ServiceError({
      code: 'NotForwarded',
      message: 'The portal does not forward to this service.',
      expected: 'a name such as management.strongroom.internal',
      found: name.slice(0, 60),
    })
  }
  if (!isOwnPage(request)) {
    throw new ServiceError({
      code: 'CrossSiteRequest',
      message: 'The request comes from another site’s page.',
      expected: 'a request from the portal itself',
      found: String(request.headers.origin ?? request.headers['sec-fetch-site']).slice(0, 100),
      remedy: 'Use the portal, or call the service by its own name.',
    })
  }
  return { host, url: path.startsWith('/') ? path : `/${path}` }
}

/** By Fetch Metadata, else by the Origin header for changes; programs other than browsers send neither. */
function isOwnPage({ headers, method }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  const reads = method === 'GET' || method === 'HEAD'
  if (site !== undefined && site !== 'same-origin' && !(site === 'none' && reads)) return false
  const { origin } = headers
  if (origin === undefined) return true
  const [, host] = /^https?:\/\/(.+)$/.exec(origin) ?? []
  return host === headers.host
}
