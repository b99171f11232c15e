import type { ErrorCode } from './errors/catalogue.ts'

/** Azure's error envelope, with our `innererror` that says what was expected, what was found and what to do. */
export interface ErrorBody {
  error: ErrorDetail
}

export interface ErrorDetail {
  /** Stable code, part of the contract: docs/errors.md. */
  code: ErrorCode
  message: string
  /** The property or rule at fault. */
  target?: string
  details?: ErrorDetail[]
  /** `code` is the closer reason where Azure gives one beside a general `code`. */
  innererror?: { code?: ErrorCode; expected?: string; found?: string; remedy?: string }
}
