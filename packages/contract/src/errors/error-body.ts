import type { ErrorCode } from './catalogue.ts'

/** Azure's error envelope, with our `innererror` that has expected, found and remedy. */
export interface ErrorBody {
  error: ErrorDetail
}

export interface ErrorDetail {
  /** Stable code, part of the contract: docs/reference/errors.md. */
  code: ErrorCode
  message: string
  /** The property or rule at fault. */
  target?: string
  details?: ErrorDetail[]
  /** `code` is Azure's more specific reason beside a general `code`, if there is one. */
  innererror?: { code?: ErrorCode; expected?: string; found?: string; remedy?: string }
}
