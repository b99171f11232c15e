import { randomUUID } from 'node:crypto'
import type { CodeWithStatus, ErrorBody, ErrorCode, ErrorDetail } from '@strongroom/contract'
import { statusOf } from '@strongroom/contract/errors'

/** A throw site's specifics besides the code. */
interface ErrorParticulars {
  message: string
  /** Azure's more specific reason beside a general code, for example ForbiddenByRbac; `innererror.code` on the wire. */
  reason?: ErrorCode
  /** The property or rule at fault. */
  target?: string
  /** Every further failure of the same request. */
  details?: ErrorDetail[]
  expected?: string
  found?: string
  remedy?: string
  cause?: unknown
  headers?: Record<string, string>
}

/** A code of the catalogue. Its HTTP status is given only if the catalogue has several for it. */
export type ServiceErrorOptions = CodeWithStatus & ErrorParticulars

/** For `ServiceError.relayed` only: code and status are another service's. */
type Relayed = { relayed: true; code: ErrorCode; status: number } & ErrorParticulars

/** A refusal that the caller may read: its fields must contain nothing internal and no secrets. */
export class ServiceError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly reason: ErrorCode | undefined
  readonly target: string | undefined
  readonly details: ErrorDetail[] | undefined
  readonly expected: string | undefined
  readonly found: string | undefined
  readonly remedy: string | undefined
  readonly headers: Record<string, string> | undefined

  constructor(o: ServiceErrorOptions | Relayed) {
    super(o.message, o.cause === undefined ? undefined : { cause: o.cause })
    this.name = 'ServiceError'
    this.code = o.code
    this.status = o.status ?? statusOf(o.code)
    this.reason = o.reason
    this.target = o.target
    this.details = o.details
    this.expected = o.expected
    this.found = o.found
    this.remedy = o.remedy
    this.headers = o.headers
  }

  /** Another service's error or an operation's recorded one, with this answer's status. */
  static relayed(
    detail: ErrorDetail,
    status: number,
    more: { cause?: unknown; headers?: Record<string, string> } = {},
  ): ServiceError {
    const { code: reason, ...inner } = detail.innererror ?? {}
    const { code, message, target, details } = detail
    return new ServiceError({
      relayed: true,
      code,
      status,
      message,
      ...inner,
      ...(reason !== undefined && { reason }),
      ...(target !== undefined && { target }),
      ...(details !== undefined && details.length > 0 && { details }),
      ...more,
    })
  }

  toDetail(): ErrorDetail {
    const inner = {
      ...(this.reason !== undefined && { code: this.reason }),
      ...(this.expected !== undefined && { expected: this.expected }),
      ...(this.found !== undefined && { found: this.found }),
      ...(this.remedy !== undefined && { remedy: this.remedy }),
    }
    return {
      code: this.code,
      message: this.message,
      ...(this.target !== undefined && { target: this.target }),
      ...(this.details !== undefined && this.details.length > 0 && { details: this.details }),
      ...(Object.keys(inner).length > 0 && { innererror: inner }),
    }
  }

  toBody(): ErrorBody {
    return { error: this.toDetail() }
  }
}

export interface WireError {
  status: number
  body: ErrorBody
  headers?: Record<string, string>
  /** True for an error that is not ours and must be logged in full on the server. */
  unexpected: boolean
}

/**
 * The single mapper from anything thrown to the wire. Anything but a ServiceError becomes 500 InternalError with only
 * the request id: stack, path and cause stay in the log under that id.
 */
export function toErrorBody(error: unknown, requestId: string = randomUUID()): WireError {
  const known = asServiceError(error)
  if (known) {
    return {
      status: known.status,
      body: known.toBody(),
      ...(known.headers && { headers: known.headers }),
      unexpected: false,
    }
  }
  const message = `The server failed on this request. Request id: ${requestId}.`
  return { status: 500, body: { error: { code: 'InternalError', message } }, unexpected: true }
}

/** Any thrown thing as an ErrorDetail, for a record that outlives the request (operations, instance views). */
export function toErrorDetail(error: unknown): ErrorDetail {
  return toErrorBody(error).body.error
}

/** Translated errors of the web framework, the file system and SQLite; undefined for others. */
function asServiceError(error: unknown): ServiceError | undefined {
  if (error instanceof ServiceError) return error
  if (!(error instanceof Error)) return undefined
  const { code, statusCode, errcode } = error as Error & { code?: string; statusCode?: number; errcode?: number }
  const sqliteFull = 13
  if (code === 'ENOSPC' || code === '53100' || errcode === sqliteFull) return storageFull({ cause: error })
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return undefined
  const detail: ErrorDetail = { code: frameworkCodes[code ?? ''] ?? 'BadRequest', message: error.message }
  return ServiceError.relayed(detail, statusCode, { cause: error })
}

/** A full disk, from any source: the file system, a database or a program. */
export function storageFull(o: { expected?: string; found?: string; cause?: unknown }): ServiceError {
  return new ServiceError({
    code: 'StorageFull',
    message: 'The disk that holds the state directory is full.',
    remedy: 'Free space on that disk, then repeat the request.',
    ...o,
  })
}

const frameworkCodes: Partial<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'InvalidRequestContent',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'InvalidRequestContent',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'InvalidRequestContent',
  FST_ERR_CTP_BODY_TOO_LARGE: 'RequestEntityTooLarge',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UnsupportedMediaType',
  FST_ERR_VALIDATION: 'InvalidRequestContent',
}
