import { ServiceError } from '../errors.ts'

/** Several transactions were in each other's way: nothing of this one is done. Clients ask again. */
export const busy = (cause?: unknown): ServiceError =>
  new ServiceError({
    code: 'ServerBusy',
    message: 'Other requests changed the same resources at the same time.',
    remedy: 'Repeat the request.',
    headers: { 'retry-after': '1' },
    cause,
  })
