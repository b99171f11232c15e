import type { ErrorCode, ErrorDetail } from '@strongroom/contract'

/** A service's refusal in its own words, or its failure to answer (status 0). */
export class WireError extends Error {
  readonly status: number
  readonly detail: ErrorDetail

  constructor(status: number, detail: ErrorDetail) {
    super(detail.message)
    this.name = 'WireError'
    this.status = status
    this.detail = detail
  }

  get code(): string {
    return this.detail.code
  }
}

const unreachable: ErrorDetail = {
  code: 'ServerUnreachable',
  message: 'The server does not answer.',
  innererror: { remedy: 'It may be restarting: this page keeps trying. Otherwise start it with `strongroom up`.' },
}

export const noAnswer = (): WireError => new WireError(0, unreachable)

/** Azure's envelope, OAuth's (RFC 6749 section 5.2), or at least the status. */
export function errorOf(status: number, body: unknown, where: string): WireError {
  const { error, error_description: description } = (body ?? {}) as { error?: unknown; error_description?: unknown }
  if (typeof error === 'string')
    return new WireError(status, {
      code: error as ErrorCode,
      message: typeof description === 'string' ? description : error,
    })
  const detail = error as Partial<ErrorDetail> | undefined
  if (typeof detail?.code === 'string' && typeof detail.message === 'string')
    return new WireError(status, detail as ErrorDetail)
  return new WireError(status, { code: `Http${status}`, message: `${where} answered ${status} without a reason.` })
}

/** Anything thrown, in displayable form. */
export function toWireError(error: unknown): WireError {
  if (error instanceof WireError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new WireError(-1, {
    code: 'PortalFault',
    message,
    innererror: { remedy: 'This is a bug in the portal: please report it with what you did.' },
  })
}
