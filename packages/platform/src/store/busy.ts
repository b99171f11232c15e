import { ServiceError } from '../errors.ts'

/** Several transactions conflicted: nothing of this one is done. Clients retry. */
export const busy = (cause?: unknown): ServiceError =>
  new ServiceError({
    code: 'ServerBusy',
    message: 'Other requests changed the same resources at the same time.',
    remedy: 'Repeat the request.',
    headers: { 'retry-after': '1' },
    cause,
  })
