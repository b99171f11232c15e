import { ServiceError, type Clock } from '@strongroom/platform'
import type { Permission } from '../access/permissions.ts'

/** Requests per vault within `windowSeconds`. */
export interface VaultRates {
  windowSeconds: number
  /** Creation, import and rotation of keys. */
  keyCreations: number
  keyOperations: number
  secretCreations: number
  secretOperations: number
  /** Requests of callers without the permission. */
  refusals: number
}

/** Azure's service limits for HSM-backed RSA 2048 keys, the strictest that its documentation gives for keys of usual size, and for secrets. */
export const azureVaultRates: VaultRates = {
  windowSeconds: 10,
  keyCreations: 10,
  keyOperations: 2000,
  secretCreations: 300,
  secretOperations: 4000,
  refusals: 2000,
}

const creations = new Set<Permission>(['create', 'import', 'rotate'])
const vaultsKept = 10_000

/** Counts requests in fixed windows. Refused requests count too, so that hammering on does not help. */
export class RateLimits {
  readonly #rates: VaultRates
  readonly #clock: Clock
  #window = -1
  #counts = new Map<string, number>()

  constructor(rates: VaultRates, clock: Clock) {
    this.#rates = rates
    this.#clock = clock
  }

  /** @throws ServiceError 429 Throttled with Retry-After */
  take(vault: string, permission: Permission | 'refusals'): void {
    const seconds = this.#clock.now().getTime() / 1000
    const window = Math.floor(seconds / this.#rates.windowSeconds)
    if (window !== this.#window || this.#counts.size > vaultsKept) this.#counts = new Map()
    this.#window = window
    const kind = kindOf(permission)
    const key = `${vault} ${kind}`
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (count <= this.#rates[kind]) return
    const wait = Math.max(1, Math.ceil((window + 1) * this.#rates.windowSeconds - seconds))
    throw new ServiceError({
      code: 'Throttled',
      reason: 'VaultRequestTypeLimitReached',
      status: 429,
      message:
        'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
      target: kind,
      expected: `at most ${this.#rates[kind]} requests in ${this.#rates.windowSeconds} seconds`,
      found: `${count}`,
      remedy: 'Repeat the request after the time in Retry-After.',
      headers: { 'retry-after': String(wait) },
    })
  }
}

function kindOf(permission: Permission | 'refusals'): Exclude<keyof VaultRates, 'windowSeconds'> {
  if (permission === 'refusals') return permission
  if (permission === 'secrets/set') return 'secretCreations'
  if (permission.startsWith('secrets/')) return 'secretOperations'
  return creations.has(permission) ? 'keyCreations' : 'keyOperations'
}
