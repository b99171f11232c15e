import {
  attestationProviderHost,
  attestationTypes,
  homeRegion,
  sharedAttestationHost,
  type AttestationTrustModel,
  type AttestationType,
} from '@strongroom/contract'
import { ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { PolicyCertificate } from '../policy/policy-certificate.ts'
import type { Tables } from '../store/tables.ts'

/** One issuer of tokens with policies of its own. */
export interface Provider {
  /** Host name, which is also the provider's key in the store. */
  host: string
  name: string
  regionCode: string
  /** `iss` of its tokens; no slash at the end. */
  issuer: string
  /** Isolated: every policy and every change of signers is signed by one of the provider's certificates. */
  trustModel: AttestationTrustModel
  /** Of the resource that made it; absent for the provider that a region shares. */
  resourceId?: string
  /** ISO time; absent for a shared provider. */
  createdAt?: string
}

/** The provider that the home region shares. */
export const sharedProvider: Provider = {
  host: sharedAttestationHost(homeRegion.code),
  name: `shared${homeRegion.code}`,
  regionCode: homeRegion.code,
  issuer: `https://${sharedAttestationHost(homeRegion.code)}`,
  trustModel: 'AAD',
}

const nameForm = /^[a-z0-9][a-z0-9-]{1,22}[a-z0-9]$/

/**
 * Providers by host name: the shared one of the home region, which exists always, and those that the resource manager made.
 * Kept in memory, as each request is matched by its host before anything else; one process serves the hosts of an installation.
 */
export class Providers {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #clock: Clock
  readonly #byHost = new Map<string, Provider>()

  constructor(o: { store: Store; clock: Clock }) {
    this.#store = o.store
    this.#db = o.store.db as Kysely<Tables>
    this.#clock = o.clock
    this.#byHost.set(sharedProvider.host, sharedProvider)
  }

  /** Reads the providers that were made before. */
  async load(): Promise<void> {
    for (const row of await this.#db.selectFrom('provider').selectAll().execute()) this.#keep(row)
  }

  get(host: string): Provider | undefined {
    return this.#byHost.get(host)
  }

  all(): Provider[] {
    return [...this.#byHost.values()]
  }

  /**
   * Makes a provider, or finds it again where the same resource asks twice.
   * @throws ServiceError InvalidParameter for a name that is no host name, NameNotAvailable where it is another's
   */
  async create(o: {
    name: string
    regionCode: string
    resourceId: string
    certificates: PolicyCertificate[]
    callerObjectId: string
  }): Promise<{ provider: Provider; created: boolean }> {
    const name = o.name.toLowerCase()
    const host = attestationProviderHost(name, o.regionCode)
    const existing = this.#byHost.get(host)
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
      const { numInsertedOrUpdatedRows = 0n } = await tx
        .insertInto('provider')
        .values(row)
        .onConflict((conflict) => conflict.column('host').doNothing())
        .executeTakeFirst()
      // Somebody else was faster: theirs holds.
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
    const provider = this.#keep(kept)
    if (kept.resource_id.toLowerCase() !== o.resourceId.toLowerCase()) throw nameNotAvailable(name)
    return { provider, created: kept === row }
  }

  /** Forgets a provider with all that it holds; its decisions stay on record. False where there was none. */
  async remove(provider: Provider): Promise<boolean> {
    const { host } = provider
    const gone = await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      for (const table of ['policy', 'policy_certificate', 'signing_key', 'signing_key_current'] as const)
        await tx.deleteFrom(table).where('provider', '=', host).execute()
      return await tx.deleteFrom('provider').where('host', '=', host).executeTakeFirst()
    })
    this.#byHost.delete(host)
    return gone.numDeletedRows > 0n
  }

  #keep(row: Tables['provider']): Provider {
    const provider: Provider = {
      host: row.host,
      name: row.name,
      regionCode: row.region_code,
      issuer: `https://${row.host}`,
      trustModel: row.trust_model,
      resourceId: row.resource_id,
      createdAt: row.created_at,
    }
    this.#byHost.set(provider.host, provider)
    return provider
  }
}

function nameNotAvailable(name: string): ServiceError {
  return new ServiceError({
    code: 'NameNotAvailable',
    status: 409,
    message: `The name ${name} is taken by another attestation provider of the region.`,
    target: 'name',
    expected: 'a name that no provider of the region has',
    found: name,
    remedy: 'Choose another name: it becomes part of the host name of the provider.',
  })
}

function invalidName(name: string): ServiceError {
  return new ServiceError({
    code: 'InvalidParameter',
    status: 400,
    message: 'The name of the provider cannot be part of a host name.',
    target: 'name',
    expected: '3 to 24 letters, digits and hyphens, with a letter or digit at both ends',
    found: name.slice(0, 60),
    remedy: 'Choose another name.',
  })
}

/** What can be attested here; the other types of the wire are refused by name. */
export type OfferedType = AttestationType
export const offeredTypes: readonly OfferedType[] = attestationTypes
