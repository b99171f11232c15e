import { ServiceError } from '../errors/errors.ts'

/** Several transactions conflicted: this one did nothing. Clients retry. */
export const busy = (cause?: unknown): ServiceError =>
  new ServiceError({
    code: 'ServerBusy',
    message: 'Other requests changed the same resources at the same time.',
    remedy: 'Repeat the request.',
    headers: { 'retry-after': '1' },
    cause,
  })
