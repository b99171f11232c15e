import type { AttestationType } from '@strongroom/contract'
import { repeatedQuery, RowCache, type Clock, type Store } from '@strongroom/platform'
import { parsePolicy, type Policy } from '@strongroom/policy'
import type { JWK } from 'jose'
import type { Kysely } from 'kysely'
import { policyFailure } from '../core/errors.ts'
import { requirePresent } from '../providers/present.ts'
import type { Provider } from '../providers/providers.ts'
import type { Tables } from '../store/tables.ts'
import { defaultPolicies } from './defaults.ts'
import { policyHash, unsignedPolicyJws, type StoredPolicy } from './stored-policy.ts'

/** A policy that is ready to run. */
export interface LoadedPolicy extends StoredPolicy {
  syntax: Policy
  hash: string
}

/** Number of policies in force that are cached. */
const loadedPolicies = 64

/** The policies of all providers. Each decision uses the row as it is then; the parsed text is cached. */
export class Policies {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #row: (host: string, type: string) => Promise<Pick<Tables['policy'], 'jws' | 'text' | 'signer'> | undefined>
  readonly #loaded: RowCache<LoadedPolicy>
  readonly #parsed = new Map<string, Policy>()

  constructor(o: { store: Store; clock: Clock }) {
    this.#store = o.store
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    const row = this.#db.selectFrom('policy').select(['jws', 'text', 'signer'])
    this.#row = repeatedQuery(this.#db, row.where('provider', '=', '').where('type', '=', ''), { shared: true })
    this.#loaded = new RowCache({ store: o.store, tables: ['policy'], limit: loadedPolicies })
  }

  async load(provider: Provider, type: AttestationType): Promise<LoadedPolicy> {
    return this.#loaded.get(`${provider.host} ${type}`, async () => {
      const row = await this.#row(provider.host, type)
      const text = row?.text ?? defaultPolicies[type]
      const jws = row?.jws ?? unsignedPolicyJws(text)
      const signer = typeof row?.signer === 'string' ? (JSON.parse(row.signer) as JWK) : undefined
      return { ...this.parse(text), jws, ...(signer === undefined ? {} : { signer }) }
    })
  }

  /** @throws ServiceError PolicyParsingError */
  parse(text: string): LoadedPolicy {
    const hash = policyHash(text)
    let syntax = this.#parsed.get(hash)
    if (syntax === undefined) {
      try {
        syntax = parsePolicy(text)
      } catch (error) {
        throw policyFailure(error)
      }
      // Drafts come from anyone; a small cache is enough for the policies in force.
      if (this.#parsed.size >= 64) this.#parsed.clear()
      this.#parsed.set(hash, syntax)
    }
    return { text, hash, syntax, jws: unsignedPolicyJws(text) }
  }

  /** @throws ServiceError PolicyParsingError: an invalid policy is never stored; ProviderNotFound */
  async set(provider: Provider, type: AttestationType, policy: StoredPolicy, callerObjectId: string): Promise<void> {
    this.parse(policy.text)
    const changed = {
      jws: policy.jws,
      text: policy.text,
      signer: policy.signer === undefined ? null : JSON.stringify(policy.signer),
      updated_at: this.#clock.now().toISOString(),
      updated_by: callerObjectId,
    }
    await this.#change(provider, async (tx) => {
      await tx
        .insertInto('policy')
        .values({ provider: provider.host, type, ...changed })
        .onConflict((conflict) => conflict.columns(['provider', 'type']).doUpdateSet(changed))
        .execute()
    })
  }

  /** Back to the default. @throws ServiceError ProviderNotFound */
  async reset(provider: Provider, type: AttestationType): Promise<void> {
    await this.#change(provider, async (tx) => {
      await tx.deleteFrom('policy').where('provider', '=', provider.host).where('type', '=', type).execute()
    })
  }

  async #change(provider: Provider, write: (tx: Kysely<Tables>) => Promise<void>): Promise<void> {
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await requirePresent(this.#store, tx, provider)
      await write(tx)
    })
  }
}
