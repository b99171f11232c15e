import type { SubscriptionKind, ErrorDetail } from '@strongroom/contract'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forUpdate, type FaultSource, type Store } from '@strongroom/platform'
import { notAllowed } from '../../../arm/refusals.ts'
import type { Db, ResourceStore } from '../../../store/resources.ts'
import { insertIfAbsent, readSetting, writeSetting } from '../../../store/rows.ts'
import type { CoreQuotas, NeededCores, Usage } from '../../../types/quota.ts'
import { allSizes, isOffered } from './sizes.ts'
import { faqRule } from '../../../arm/faq-rule.ts'

interface Defaults {
  /** For a region, over all families. */
  cores: number
  family: number
  virtualMachines: number
}

const defaults = JSON.parse(readFileSync(join(import.meta.dirname, 'quotas.json'), 'utf8')) as Record<
  SubscriptionKind,
  Defaults
>
const kindSetting = 'subscription kind'
const regional = 'cores'

/**
 * Cores per family and region. Reserving is one transaction with a locked counter, so two concurrent requests cannot
 * both take the last cores.
 */
export class Quotas implements CoreQuotas {
  readonly #resources: ResourceStore
  readonly #store: Store
  readonly #subscriptionId: string
  readonly #faults: FaultSource | undefined

  constructor(o: { resources: ResourceStore; store: Store; subscriptionId: string; faults?: FaultSource }) {
    this.#resources = o.resources
    this.#store = o.store
    this.#subscriptionId = o.subscriptionId
    this.#faults = o.faults
  }

  /**
   * Reserves the size's cores for one VM, or changes its reservation. Idempotent.
   * @throws ServiceError OperationNotAllowed in Azure's words
   */
  async reserve(tx: Db, o: { owner: string; region: string; size: NeededCores }): Promise<void> {
    const { region, size } = o
    // Everyone locks the regional counter first, so no two can deadlock.
    const used = await this.#lock(tx, region, regional)
    const held = await this.#held(tx, o.owner)
    if (held?.family === size.family && held.cores === size.vCPUs) return
    const familyUsed = (await this.#lock(tx, region, size.family)) - (held?.family === size.family ? held.cores : 0)
    await this.#assertFits(tx, {
      region,
      name: size.family,
      subject: `${size.family} Cores`,
      used: familyUsed,
      required: size.vCPUs,
    })
    const regionUsed = used - (held?.cores ?? 0)
    await this.#assertFits(tx, {
      region,
      name: regional,
      subject: 'Total Regional Cores',
      used: regionUsed,
      required: size.vCPUs,
    })
    if (held !== undefined) await this.release(tx, o.owner)
    await this.#add(tx, region, size.family, size.vCPUs)
    await this.#add(tx, region, regional, size.vCPUs)
    await tx
      .insertInto('quota_reservation')
      .values({ owner: o.owner, region, family: size.family, cores: size.vCPUs })
      .execute()
  }

  /**
   * Whether all planned VMs together have room. Each reserves its own cores when created.
   * @throws ServiceError OperationNotAllowed in Azure's words
   */
  async assertRoom(
    tx: Db,
    { region, size, count }: { region: string; size: NeededCores; count: number },
  ): Promise<void> {
    const required = size.vCPUs * count
    const used = await this.#lock(tx, region, regional)
    const familyUsed = await this.#lock(tx, region, size.family)
    const ofFamily = { region, name: size.family, subject: `${size.family} Cores`, used: familyUsed, required }
    await this.#assertFits(tx, ofFamily)
    await this.#assertFits(tx, { region, name: regional, subject: 'Total Regional Cores', used, required })
  }

  async release(tx: Db, owner: string): Promise<void> {
    const held = await this.#held(tx, owner)
    if (held === undefined) return
    await this.#lock(tx, held.region, regional)
    const gone = await tx.deleteFrom('quota_reservation').where('owner', '=', owner).executeTakeFirst()
    if (Number(gone.numDeletedRows) === 0) return
    await this.#add(tx, held.region, held.family, -held.cores)
    await this.#add(tx, held.region, regional, -held.cores)
  }

  async usages(region: string, virtualMachines: number): Promise<Usage[]> {
    const db = this.#resources.db
    const counters = await db.selectFrom('quota_counter').selectAll().where('region', '=', region).execute()
    const limits = await db.selectFrom('quota_limit').selectAll().where('region', '=', region).execute()
    const usual = defaults[await this.kind()]
    const used = (name: string): number => counters.find((row) => row.name === name)?.used ?? 0
    const limit = (name: string, otherwise: number): number =>
      limits.find((row) => row.name === name)?.limit_value ?? otherwise
    const usage = (name: string, localizedValue: string, currentValue: number, most: number): Usage => ({
      unit: 'Count',
      currentValue,
      limit: limit(name, most),
      name: { value: name, localizedValue },
    })
    const families = [
      ...new Set(
        allSizes()
          .filter((size) => isOffered(size, region))
          .map((size) => size.family),
      ),
    ]
    return [
      usage(regional, 'Total Regional vCPUs', used(regional), usual.cores),
      usage('virtualMachines', 'Virtual Machines', virtualMachines, usual.virtualMachines),
      ...families.map((family) => usage(family, localized(family), used(family), usual.family)),
    ]
  }

  async setLimit(tx: Db, o: { region: string; name: string; limit: number }): Promise<void> {
    await tx
      .insertInto('quota_limit')
      .values({ region: o.region, name: o.name, limit_value: o.limit })
      .onConflict((conflict) => conflict.columns(['region', 'name']).doUpdateSet({ limit_value: o.limit }))
      .execute()
  }

  /** Limit of a family, or of all (`cores`), in a region. */
  async limitOf(db: Db, region: string, name: string): Promise<number> {
    const row = await db
      .selectFrom('quota_limit')
      .select('limit_value')
      .where('region', '=', region)
      .where('name', '=', name)
      .executeTakeFirst()
    if (row !== undefined) return row.limit_value
    const usual = defaults[await this.kind(db)]
    return name === regional ? usual.cores : name === 'virtualMachines' ? usual.virtualMachines : usual.family
  }

  async kind(db: Db = this.#resources.db): Promise<SubscriptionKind> {
    return (await readSetting(db, kindSetting)) === 'free-trial' ? 'free-trial' : 'pay-as-you-go'
  }

  async setKind(kind: SubscriptionKind): Promise<void> {
    await writeSetting(this.#resources.db, kindSetting, kind)
  }

  async #held(tx: Db, owner: string): Promise<{ region: string; family: string; cores: number } | undefined> {
    return await tx.selectFrom('quota_reservation').selectAll().where('owner', '=', owner).executeTakeFirst()
  }

  /** Usage, with the counter's row locked until the transaction ends. */
  async #lock(tx: Db, region: string, name: string): Promise<number> {
    await insertIfAbsent(tx.insertInto('quota_counter').values({ region, name, used: 0 }))
    const query = tx.selectFrom('quota_counter').select('used').where('region', '=', region).where('name', '=', name)
    return (await forUpdate(this.#store, query).executeTakeFirstOrThrow()).used
  }

  async #add(tx: Db, region: string, name: string, cores: number): Promise<void> {
    await tx
      .updateTable('quota_counter')
      .set((eb) => ({ used: eb('used', '+', cores) }))
      .where('region', '=', region)
      .where('name', '=', name)
      .execute()
  }

  async #assertFits(
    tx: Db,
    o: { region: string; name: string; subject: string; used: number; required: number },
  ): Promise<void> {
    const zero = this.#faults?.take('quota-zero', `${o.region} ${o.name}`) !== undefined
    const limit = zero ? 0 : await this.limitOf(tx, o.region, o.name)
    if (o.used + o.required <= limit) return
    throw notAllowed(quotaMessage({ ...o, limit, subscriptionId: this.#subscriptionId }), {
      target: o.name,
      expected: `at most ${limit} cores`,
      found: `${o.used} used and ${o.required} more required`,
      remedy: 'Delete or deallocate other VMs of the family, use a smaller size, or ask for more quota.',
      details: [s22],
    })
  }
}

const localized = (family: string): string =>
  `${family.replace(/^standard/i, 'Standard ').replace(/Family$/, ' Family')} vCPUs`

/** Azure's message, from which scripts parse the numbers. */
function quotaMessage(o: {
  region: string
  name: string
  subject: string
  used: number
  required: number
  limit: number
  subscriptionId: string
}): string {
  const least = o.used + o.required
  const request = encodeURIComponent(
    JSON.stringify({
      subscriptionId: o.subscriptionId,
      command: 'openQuotaApprovalBlade',
      quotas: [
        {
          location: o.region,
          providerId: 'Microsoft.Compute',
          resourceName: o.name,
          quotaRequest: { properties: { limit: least, unit: 'Count', name: { value: o.name } } },
        },
      ],
    }),
  )
  const page = o.name === regional ? 'regional-quota-requests' : 'per-vm-quota-requests'
  return (
    `Operation could not be completed as it results in exceeding approved ${o.subject} quota. Additional details ` +
    `- Deployment Model: Resource Manager, Location: ${o.region}, ` +
    `Current Limit: ${o.limit}, Current Usage: ${o.used}, Additional Required: ${o.required}, (Minimum) New Limit Required: ${least}. ` +
    'Setup Alerts when Quota reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting . ' +
    'Submit a request for Quota increase at ' +
    `https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView/Parameters/${request} ` +
    'by specifying parameters listed in the ‘Details’ section for deployment to succeed. ' +
    `Please read more about quota limits at https://docs.microsoft.com/en-us/azure/azure-supportability/${page}`
  )
}

/** The FAQ's rule on quotas, as refusals cite it. */
export const s22: ErrorDetail = faqRule('S22')
