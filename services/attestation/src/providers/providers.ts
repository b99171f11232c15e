import {
  attestationProviderHost,
  attestationRegionCodes,
  homeRegion,
  sharedAttestationHost,
  verifiersFile,
  type AttestationTrustModel,
  type PolicySigningCertificate,
} from '@strongroom/contract'
import { repeatedQuery, RowCache, ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.ts'

/** One token issuer with separate policies. */
export interface Provider {
  /** Host name, which is also the provider's key in the store. */
  host: string
  name: string
  regionCode: string
  /** `iss` of its tokens, without a trailing slash. */
  issuer: string
  /** Isolated: every policy and every change of signers must be signed under one of the provider's certificates. */
  trustModel: AttestationTrustModel
  /** The resource behind it; absent for a region's shared provider. */
  resourceId?: string
  /** ISO time; absent for a shared provider. */
  createdAt?: string
}

/** A region's shared provider. */
const shared = (regionCode: string): Provider => ({
  host: sharedAttestationHost(regionCode),
  name: `shared${regionCode}`,
  regionCode,
  issuer: `https://${sharedAttestationHost(regionCode)}`,
  trustModel: 'AAD',
})

/** By host name. Each has separate policies and signing keys, created on first use. */
const sharedProviders: ReadonlyMap<string, Provider> = new Map(
  attestationRegionCodes.map((code) => [sharedAttestationHost(code), shared(code)]),
)

/** The home region's shared provider. */
export const sharedProvider: Provider = shared(homeRegion.code)

/** Number of tenants' providers that are cached. */
const foundProviders = 64
const nameForm = /^[a-z0-9][a-z0-9-]{1,22}[a-z0-9]$/
const hostForm = /^[a-z0-9][a-z0-9-]{1,40}\.[a-z0-9]{2,8}\.attest\.strongroom\.internal$/

/**
 * Providers by host name: each region's shared one, which always exist, and those created by the resource manager. Each
 * request reads its provider's row again, so that several processes on one database serve the same providers, and none
 * answers for one that another has removed.
 */
export class Providers {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #elsewhere: ReadonlySet<string>
  readonly #row: (host: string) => Promise<Tables['provider'] | undefined>
  readonly #found: RowCache<Provider>

  /**
   * @param o.elsewhere hosts whose tokens another origin signs: no provider of this installation may have such a name
   */
  constructor(o: { store: Store; clock: Clock; elsewhere?: readonly string[] }) {
    this.#store = o.store
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#elsewhere = new Set(o.elsewhere)
    this.#row = repeatedQuery(this.#db, this.#db.selectFrom('provider').selectAll().where('host', '=', ''), {
      shared: true,
    })
    this.#found = new RowCache({ store: o.store, tables: ['provider'], limit: foundProviders })
  }

  /** Whether providers have host names like this; only `get` shows that this one exists. */
  serves(host: string): boolean {
    return hostForm.test(host)
  }

  async get(host: string): Promise<Provider | undefined> {
    const ofRegion = sharedProviders.get(host)
    if (ofRegion !== undefined) return ofRegion
    if (!hostForm.test(host) || this.#elsewhere.has(host)) return undefined
    return this.#found.get(host, async () => {
      const row = await this.#row(host)
      return row && providerOf(row)
    })
  }

  async all(): Promise<Provider[]> {
    const rows = await this.#db.selectFrom('provider').selectAll().orderBy('created_at').orderBy('host').execute()
    return [...sharedProviders.values(), ...rows.map(providerOf)]
  }

  /**
   * Permanently reserves the names of other origins: after the operator has removed one from the configuration, key
   * releases still rely on that name, so nobody may create a provider with it.
   * @throws ServiceError AttestationVerifierNameTaken: one issuer must have one meaning
   */
  async reserveElsewhere(): Promise<void> {
    const taken = await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      for (const host of this.#elsewhere) {
        const row = await tx.selectFrom('provider').selectAll().where('host', '=', host).executeTakeFirst()
        const present = sharedProviders.get(host) ?? (row && providerOf(row))
        if (present !== undefined) return present
        await tx
          .insertInto('provider_elsewhere')
          .values({ host, named_at: this.#clock.now().toISOString() })
          .onConflict((conflict) => conflict.column('host').doNothing())
          .execute()
      }
      return undefined
    })
    if (taken === undefined) return
    throw new ServiceError({
      code: 'AttestationVerifierNameTaken',
      message: `A provider of another origin is named ${taken.issuer}, and this installation has a provider of that name.`,
      target: verifiersFile,
      expected: 'issuers that no provider of this installation has',
      found: taken.issuer,
      remedy: `Take it out of ${verifiersFile}${taken.resourceId === undefined ? '' : `, or delete ${taken.resourceId} while it is out`}.`,
    })
  }

  /**
   * Creates a provider, or returns the existing one if the same resource asks again.
   * @throws ServiceError InvalidParameter for an invalid host name, NameNotAvailable if another resource has it
   */
  async create(o: {
    name: string
    regionCode: string
    resourceId: string
    certificates: readonly { thumbprint: string; jwk: PolicySigningCertificate }[]
    callerObjectId: string
  }): Promise<{ provider: Provider; created: boolean }> {
    const name = o.name.toLowerCase()
    const host = attestationProviderHost(name, o.regionCode)
    const existing = await this.get(host)
    if (existing !== undefined) {
      if (existing.resourceId?.toLowerCase() === o.resourceId.toLowerCase())
        return { provider: existing, created: false }
      throw nameNotAvailable(name)
    }
    if (!nameForm.test(name) || !/^[a-z0-9]{2,8}$/.test(o.regionCode)) throw invalidName(name)
    const row: Tables['provider'] = {
      host,
      name,
      region_code: o.regionCode,
      resource_id: o.resourceId,
      trust_model: o.certificates.length === 0 ? 'AAD' : 'Isolated',
      created_at: this.#clock.now().toISOString(),
    }
    const kept = await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const elsewhere = tx.selectFrom('provider_elsewhere').select('host').where('host', '=', host)
      if ((await elsewhere.executeTakeFirst()) !== undefined) throw nameNotAvailable(name)
      const { numInsertedOrUpdatedRows = 0n } = await tx
        .insertInto('provider')
        .values(row)
        .onConflict((conflict) => conflict.column('host').doNothing())
        .executeTakeFirst()
      // Another request was faster, and its provider is used.
      if (numInsertedOrUpdatedRows === 0n)
        return await tx.selectFrom('provider').selectAll().where('host', '=', host).executeTakeFirstOrThrow()
      for (const { thumbprint, jwk } of o.certificates) {
        const added = { added_at: row.created_at, added_by: o.callerObjectId }
        await tx
          .insertInto('policy_certificate')
          .values({ provider: host, thumbprint, jwk: JSON.stringify(jwk), ...added })
          .onConflict((conflict) => conflict.columns(['provider', 'thumbprint']).doNothing())
          .execute()
      }
      return row
    })
    const provider = providerOf(kept)
    if (kept.resource_id.toLowerCase() !== o.resourceId.toLowerCase()) throw nameNotAvailable(name)
    return { provider, created: kept === row }
  }

  /**
   * Assigns the provider to another resource, because its resource's id changed. Idempotent.
   * @throws ServiceError NameNotAvailable if it belongs to neither
   */
  async move(provider: Provider, o: { from: string; to: string }): Promise<Provider> {
    const same = (a: string | undefined, b: string): boolean => a?.toLowerCase() === b.toLowerCase()
    if (same(provider.resourceId, o.to)) return provider
    if (!same(provider.resourceId, o.from)) throw nameNotAvailable(provider.name ?? '')
    const db = this.#store.db as Kysely<Tables>
    const moved = await db
      .updateTable('provider')
      .set({ resource_id: o.to })
      .where('host', '=', provider.host)
      .where('resource_id', '=', provider.resourceId ?? '')
      .executeTakeFirst()
    if (Number(moved.numUpdatedRows) === 0) throw nameNotAvailable(provider.name ?? '')
    return { ...provider, resourceId: o.to }
  }

  /** Removes a provider with everything it holds, except its recorded decisions. False if there was none. */
  async remove(provider: Provider): Promise<boolean> {
    const { host } = provider
    const gone = await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      // Its row first: a concurrent creation of its key locks that row, so that key is removed too.
      const removed = await tx.deleteFrom('provider').where('host', '=', host).executeTakeFirst()
      for (const table of ['policy', 'policy_certificate', 'signing_key', 'signing_key_current'] as const)
        await tx.deleteFrom(table).where('provider', '=', host).execute()
      return removed
    })
    return gone.numDeletedRows > 0n
  }
}

function providerOf(row: Tables['provider']): Provider {
  return {
    host: row.host,
    name: row.name,
    regionCode: row.region_code,
    issuer: `https://${row.host}`,
    trustModel: row.trust_model,
    resourceId: row.resource_id,
    createdAt: row.created_at,
  }
}

function nameNotAvailable(name: string): ServiceError {
  return new ServiceError({
    code: 'NameNotAvailable',
    message: `The name ${name} is or was used by another attestation provider in the region.`,
    target: 'name',
    expected: 'a name that no provider in the region has',
    found: name,
    remedy: 'Choose another name: it becomes part of the provider’s host name.',
  })
}

function invalidName(name: string): ServiceError {
  return new ServiceError({
    code: 'InvalidParameter',
    message: 'The name of the provider cannot be part of a host name.',
    target: 'name',
    expected: '3 to 24 letters, digits and hyphens, with a letter or digit at both ends',
    found: name.slice(0, 60),
    remedy: 'Choose another name.',
  })
}
