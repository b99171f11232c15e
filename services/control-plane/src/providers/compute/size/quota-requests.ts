import { randomUUID } from 'node:crypto'
import { forUpdate, ServiceError, type Clock, type Store } from '@strongroom/platform'
import type { Db, ResourceStore } from '../../../store/resources.ts'
import type { QuotaDesk, QuotaRequest } from '../../../types/quota.ts'
import { type Quotas, s22 } from './quotas.ts'

/** Requests for more quota: submitted by permitted callers, decided by the operator, effective in the same transaction. */
export class QuotaRequests implements QuotaDesk {
  readonly #resources: ResourceStore
  readonly #store: Store
  readonly #quotas: Quotas
  readonly #clock: Clock

  constructor(o: { resources: ResourceStore; store: Store; quotas: Quotas; clock: Clock }) {
    this.#resources = o.resources
    this.#store = o.store
    this.#quotas = o.quotas
    this.#clock = o.clock
  }

  /**
   * Requests a limit. Repeating it is idempotent; another limit changes the pending one.
   * @throws ServiceError QuotaNotAvailable on a free trial, QuotaReductionNotSupported
   */
  async ask(o: { region: string; name: string; limit: number; by: string }): Promise<QuotaRequest> {
    return await this.#resources.transaction(async (tx) => {
      const current = await this.#quotas.limitOf(tx, o.region, o.name)
      if ((await this.#quotas.kind(tx)) === 'free-trial') throw freeTrial(o)
      if (o.limit <= current) throw noIncrease(o, current)
      const waiting = await forUpdate(
        this.#store,
        tx
          .selectFrom('quota_request')
          .selectAll()
          .where('region', '=', o.region)
          .where('name', '=', o.name)
          .where('state', '=', 'InProgress'),
      ).executeTakeFirst()
      if (waiting !== undefined) {
        await tx.updateTable('quota_request').set({ limit_value: o.limit }).where('id', '=', waiting.id).execute()
        return { ...waiting, limit_value: o.limit }
      }
      const made: QuotaRequest = {
        id: randomUUID(),
        region: o.region,
        name: o.name,
        limit_value: o.limit,
        state: 'InProgress',
        message: 'The operator has not decided yet.',
        asked_by: o.by,
        asked_at: this.#clock.now().toISOString(),
        decided_by: null,
        decided_at: null,
      }
      await tx.insertInto('quota_request').values(made).execute()
      return made
    })
  }

  async list(region?: string): Promise<QuotaRequest[]> {
    let query = this.#resources.db.selectFrom('quota_request').selectAll()
    if (region !== undefined) query = query.where('region', '=', region)
    return await query.orderBy('asked_at', 'desc').orderBy('id').limit(500).execute()
  }

  /** @throws ServiceError QuotaRequestNotFound */
  async get(id: string, db: Db = this.#resources.db): Promise<QuotaRequest> {
    const query = db.selectFrom('quota_request').selectAll().where('id', '=', id.toLowerCase())
    const row = await (db === this.#resources.db ? query : forUpdate(this.#store, query)).executeTakeFirst()
    if (row !== undefined) return row
    throw new ServiceError({
      code: 'QuotaRequestNotFound',
      message: `There is no quota request '${id.slice(0, 40)}'.`,
      found: id.slice(0, 40),
      remedy: 'List them: `strongroom quota list`.',
    })
  }

  /**
   * Grants or denies, once: repeating a decision changes nothing.
   * @throws ServiceError QuotaRequestNotFound, QuotaRequestDecided
   */
  async decide(o: { id: string; grant: boolean; by: string; message?: string }): Promise<QuotaRequest> {
    return await this.#resources.transaction(async (tx) => {
      const request = await this.get(o.id, tx)
      const state = o.grant ? 'Succeeded' : 'Failed'
      if (request.state === state) return request
      if (request.state !== 'InProgress') throw decided(request)
      const change = {
        state,
        message: o.message ?? (o.grant ? 'The operator granted the request.' : 'The operator denied the request.'),
        decided_by: o.by,
        decided_at: this.#clock.now().toISOString(),
      } as const
      await tx.updateTable('quota_request').set(change).where('id', '=', request.id).execute()
      const { region, name, limit_value: limit } = request
      if (o.grant) await this.#quotas.setLimit(tx, { region, name, limit })
      return { ...request, ...change }
    })
  }
}

const freeTrial = (o: { name: string; region: string }): ServiceError =>
  new ServiceError({
    code: 'QuotaNotAvailableForSubscription',
    message: `Free trial subscriptions are not eligible for limit or quota increases: the quota ${o.name} in ${o.region} stays as it is.`,
    target: o.name,
    expected: 'a pay-as-you-go subscription',
    found: 'a free trial',
    remedy: 'Have the operator upgrade the subscription (`strongroom quota kind pay-as-you-go`), then ask again.',
    details: [s22],
  })

const noIncrease = (o: { name: string; limit: number }, current: number): ServiceError =>
  new ServiceError({
    code: 'QuotaReductionNotSupported',
    message: `The requested limit ${o.limit} of ${o.name} is not above the current one, ${current}.`,
    target: 'properties.limit.value',
    expected: `more than ${current}`,
    found: String(o.limit),
    remedy: 'Ask for a higher limit.',
  })

const decided = (request: QuotaRequest): ServiceError =>
  new ServiceError({
    code: 'QuotaRequestDecided',
    message: `The quota request ${request.id} was already decided.`,
    expected: 'a pending request',
    found: request.state === 'Succeeded' ? 'granted' : 'denied',
    remedy: 'Submit a new request.',
  })
