import { ServiceError, type Caller } from '@strongroom/platform'

export type Method = 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'

/** One request after routing. Path parameters keep the client's case. */
export interface ArmRequest {
  method: Method
  /** Without query. */
  path: string
  /** Scheme and authority that the client used, for URLs in headers. */
  origin: string
  params: Record<string, string>
  /** Keys in lower case. */
  query: Record<string, string>
  headers: Record<string, string | string[] | undefined>
  body: unknown
  caller: Caller
  correlationId: string
  /** Whether the client has closed its connection; default: nobody can. */
  isAbandoned?: () => boolean
}

export interface ArmReply {
  status: number
  body?: unknown
  headers?: Record<string, string>
  /** A list that is already the requested page. */
  isPage?: true
}

export const ok = (body: unknown): ArmReply => ({ status: 200, body })

/** A path parameter; routes name every one they use. */
export function param(request: ArmRequest, name: string): string {
  const value = request.params[name]
  if (value === undefined) throw new TypeError(`the route has no parameter ${name}`)
  return value
}

const versionForm = /^\d{4}-\d{2}-\d{2}(-preview|-alpha|-beta)?$/

/**
 * Templates mix versions from 2015 to today, so any date is accepted; a missing one is a client's mistake.
 * @throws ServiceError MissingApiVersionParameter, InvalidApiVersionParameter
 */
export function requireApiVersion(query: Record<string, string>): void {
  const version = query['api-version']
  if (version === undefined || version === '') {
    throw new ServiceError({
      code: 'MissingApiVersionParameter',
      message: 'The api-version query parameter (?api-version=) is required for all requests.',
      remedy: 'Add ?api-version=2024-11-01.',
    })
  }
  if (!versionForm.test(version)) {
    throw new ServiceError({
      code: 'InvalidApiVersionParameter',
      message: `The api-version '${version.slice(0, 40)}' is invalid.`,
      expected: 'a date, for example 2024-11-01',
      found: version.slice(0, 40),
      remedy: 'Use the api-version that your client is built for.',
    })
  }
}
