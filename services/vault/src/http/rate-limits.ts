import { RateLimit, ServiceError, type Clock } from '@strongroom/platform'
import type { Permission } from '../access/permissions.ts'

/** Requests per vault within `windowSeconds`. */
export interface VaultRates {
  windowSeconds: number
  /** Creation, import and rotation of keys, including those of certificates. */
  keyCreations: number
  keyOperations: number
  secretCreations: number
  secretOperations: number
  /** Requests from callers without permission. */
  refusals: number
}

/** Azure's service limits for HSM-backed RSA 2048 keys, the strictest it documents for keys of usual size, and for secrets. */
export const azureVaultRates: VaultRates = {
  windowSeconds: 10,
  keyCreations: 10,
  keyOperations: 2000,
  secretCreations: 300,
  secretOperations: 4000,
  refusals: 2000,
}

const creations = new Set<Permission>(['create', 'import', 'rotate', 'certificates/create', 'certificates/import'])

/** Counts each vault's requests by kind, in windows that start at the same moments for all. */
export class RateLimits {
  readonly #rates: VaultRates
  readonly #limit: RateLimit

  constructor(rates: VaultRates, clock: Clock) {
    this.#rates = rates
    this.#limit = new RateLimit({
      windowMs: rates.windowSeconds * 1000,
      aligned: true,
      now: () => clock.now().getTime(),
    })
  }

  /** @throws ServiceError 429 Throttled with Retry-After */
  take(vault: string, permission: Permission | 'refusals'): void {
    const kind = kindOf(permission)
    const excess = this.#limit.take(`${vault} ${kind}`, this.#rates[kind])
    if (excess === undefined) return
    throw new ServiceError({
      code: 'Throttled',
      reason: 'VaultRequestTypeLimitReached',
      message:
        'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
      target: kind,
      expected: `at most ${this.#rates[kind]} requests in ${this.#rates.windowSeconds} seconds`,
      found: `${excess.count}`,
      remedy: 'Repeat the request after the time in Retry-After.',
      headers: { 'retry-after': String(excess.retryAfter) },
    })
  }
}

function kindOf(permission: Permission | 'refusals'): Exclude<keyof VaultRates, 'windowSeconds'> {
  if (permission === 'refusals') return permission
  if (permission === 'secrets/set') return 'secretCreations'
  if (permission.startsWith('secrets/')) return 'secretOperations'
  return creations.has(permission) ? 'keyCreations' : 'keyOperations'
}
