import { badParameter, shown } from '../core/errors.ts'

/** Versions that stock clients send: az 7.6-preview.2, the JavaScript SDK 2025-07-01, others 7.x. */
const apiVersions = /^(7\.[0-6](-preview(\.\d+)?)?|20(2[5-9]|[3-9]\d)-\d\d-\d\d(-preview)?)$/
/** The first version that returns a release as a JWS. */
const withoutRelease = /^7\.[0-2]/

/** @throws ServiceError 400 BadParameter */
export function apiVersionOf(query: unknown): string {
  const value = queryOf(query)['api-version']
  if (typeof value === 'string' && apiVersions.test(value)) return value
  throw badParameter(
    value === undefined ? 'The request URI does not have the api-version.' : 'The api-version is not supported.',
    {
      target: 'api-version',
      expected: '7.3 to 7.6, or 2025-07-01',
      found: shown(value),
    },
  )
}

/** @throws ServiceError 400 BadParameter */
export function releaseApiVersionOf(query: unknown): string {
  const version = apiVersionOf(query)
  if (!withoutRelease.test(version)) return version
  throw badParameter('The api-version does not support key release.', {
    target: 'api-version',
    expected: '7.3 or later',
    found: version,
  })
}

export interface Page {
  limit: number
  /** Where the previous page ended; empty for the first. */
  after: string
}

/** @throws ServiceError 400 BadParameter */
export function pageOf(query: unknown): Page {
  const { maxresults, $skiptoken } = queryOf(query)
  const limit = maxresults === undefined ? 25 : Number(maxresults)
  if (!Number.isInteger(limit) || limit < 1 || limit > 25) {
    throw badParameter('maxresults is out of range.', {
      target: 'maxresults',
      expected: '1 to 25',
      found: shown(maxresults),
    })
  }
  if ($skiptoken === undefined) return { limit, after: '' }
  if (typeof $skiptoken === 'string' && /^[A-Za-z0-9_-]{1,200}$/.test($skiptoken)) {
    return { limit, after: Buffer.from($skiptoken, 'base64url').toString('utf8') }
  }
  throw badParameter('$skiptoken was not issued by this service.', { target: '$skiptoken', found: shown($skiptoken) })
}

/** Address of the next page, null after the last. */
export function nextLinkOf(o: {
  host: string
  path: string
  apiVersion: string
  limit: number
  last: string | undefined
}): string | null {
  if (o.last === undefined) return null
  const token = Buffer.from(o.last, 'utf8').toString('base64url')
  return `https://${o.host}${o.path}?api-version=${o.apiVersion}&$skiptoken=${token}&maxresults=${o.limit}`
}

function queryOf(query: unknown): Record<string, unknown> {
  return typeof query === 'object' && query !== null ? (query as Record<string, unknown>) : {}
}
