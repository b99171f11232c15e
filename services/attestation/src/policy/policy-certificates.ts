import type { PolicySigningCertificate } from '@strongroom/contract'
import { forUpdate, ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { requirePresent } from '../providers/present.ts'
import type { Provider } from '../providers/providers.ts'
import type { Tables } from '../store/tables.ts'
import type { PolicyCertificate } from './policy-certificate.ts'

/** Certificates whose signatures are accepted for policies of isolated providers. */
export class PolicyCertificates {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #clock: Clock

  constructor(o: { store: Store; clock: Clock }) {
    this.#store = o.store
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
  }

  /** In insertion order. */
  async list(provider: Provider): Promise<PolicySigningCertificate[]> {
    const rows = await this.#rows(this.#db, provider).execute()
    return rows.map(({ jwk }) => JSON.parse(jwk) as PolicySigningCertificate)
  }

  /** @throws ServiceError ProviderNotFound */
  async add(provider: Provider, certificate: PolicyCertificate, callerObjectId: string): Promise<void> {
    const row = {
      provider: provider.host,
      thumbprint: certificate.thumbprint,
      jwk: JSON.stringify(certificate.jwk),
      added_at: this.#clock.now().toISOString(),
      added_by: callerObjectId,
    }
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await requirePresent(this.#store, tx, provider)
      await tx
        .insertInto('policy_certificate')
        .values(row)
        .onConflict((conflict) => conflict.columns(['provider', 'thumbprint']).doNothing())
        .execute()
    })
  }

  /**
   * @throws ServiceError InvalidOperation for the last one: the policy could never be changed again; ProviderNotFound
   */
  async remove(provider: Provider, thumbprint: string): Promise<void> {
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await requirePresent(this.#store, tx, provider)
      const rows = await forUpdate(this.#store, this.#rows(tx, provider)).execute()
      const left = rows.filter((row) => row.thumbprint !== thumbprint)
      if (left.length === rows.length) return
      if (left.length === 0) throw lastCertificate(thumbprint)
      await tx
        .deleteFrom('policy_certificate')
        .where('provider', '=', provider.host)
        .where('thumbprint', '=', thumbprint)
        .execute()
    })
  }

  // oxlint-disable-next-line typescript/explicit-function-return-type -- the query builder's own
  #rows(db: Kysely<Tables>, provider: Provider) {
    return db
      .selectFrom('policy_certificate')
      .selectAll()
      .where('provider', '=', provider.host)
      .orderBy('added_at')
      .orderBy('thumbprint')
  }
}

function lastCertificate(thumbprint: string): ServiceError {
  return new ServiceError({
    code: 'InvalidOperation',
    message: 'The last policy certificate of a provider cannot be removed.',
    target: 'policyCertificate',
    expected: 'another certificate that remains',
    found: `${thumbprint}, the only one`,
    remedy: 'Add the new certificate first.',
  })
}
