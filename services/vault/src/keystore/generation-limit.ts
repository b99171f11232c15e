import { ConcurrencyLimit, ServiceError } from '@strongroom/platform'

/** Keys created at a time, and waiting: RSA generation occupies threads of Node's pool for seconds, and others must keep some. */
const [atOnce, waiting] = [2, 256] as const

/** For one keystore. */
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
