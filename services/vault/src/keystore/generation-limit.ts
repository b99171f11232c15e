import { ConcurrencyLimit, ServiceError } from '@strongroom/platform'

/** Keys that are made at a time, and those that wait: an RSA key fills threads of Node's pool for seconds; others must keep some. */
const [atOnce, waiting] = [2, 256] as const

/** Of one keystore. */
export function generationLimit(): ConcurrencyLimit {
  return new ConcurrencyLimit({
    atOnce,
    waiting,
    refuse: () =>
      new ServiceError({
        code: 'Throttled',
        message: 'Too many keys are being created.',
        expected: `at most ${waiting} requests waiting`,
        remedy: 'Repeat the request after the time in Retry-After.',
        headers: { 'retry-after': '10' },
      }),
  })
}
