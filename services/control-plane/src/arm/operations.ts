import type { ArmOperation, ArmOperationStep } from '@strongroom/contract'
import { ServiceError, type Clock, type Operation, type OperationRunner } from '@strongroom/platform'
import type { Db, ResourceStore } from '../store/resources.ts'
import type { ArmReply, ArmRequest } from './request.ts'

/** The host's reports while an operation ran, stored beside the runner's record. */
export class OperationNotes {
  readonly #resources: ResourceStore
  readonly #clock: Clock

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
  }

  async removeBefore(day: Date): Promise<void> {
    await this.#resources.db.deleteFrom('operation_note').where('created_at', '<', day.toISOString()).execute()
  }

  async read(operationId: string): Promise<{ steps: ArmOperationStep[]; kept: boolean }> {
    const row = await this.#resources.db
      .selectFrom('operation_note')
      .selectAll()
      .where('operation_id', '=', operationId)
      .executeTakeFirst()
    return { steps: row === undefined ? [] : (JSON.parse(row.steps) as ArmOperationStep[]), kept: row?.kept === 1 }
  }

  async writeSteps(operationId: string, steps: ArmOperationStep[]): Promise<void> {
    await this.#put(operationId, { steps: JSON.stringify(steps) })
  }

  /** Marks that a failed operation leaves what it created, for its owner to inspect. */
  async keep(operationId: string): Promise<void> {
    await this.#put(operationId, { kept: 1 })
  }

  async #put(operationId: string, note: { steps?: string; kept?: number }): Promise<void> {
    const fresh = { operation_id: operationId, steps: '[]', kept: 0, created_at: this.#clock.now().toISOString() }
    const query = this.#resources.db.insertInto('operation_note').values({ ...fresh, ...note })
    await query.onConflict((conflict) => conflict.column('operation_id').doUpdateSet(note)).execute()
  }
}

const statuses: Record<Operation['status'], ArmOperation['status']> = {
  Running: 'InProgress',
  Undoing: 'InProgress',
  Succeeded: 'Succeeded',
  Failed: 'Failed',
  Canceled: 'Canceled',
}

/** The runner's steps first, then the host's: neither list shifts an index that a client has seen. */
export async function operationView(o: {
  operation: Operation
  notes: OperationNotes
  path: string
}): Promise<ArmOperation> {
  const { operation } = o
  const { steps, kept } = await o.notes.read(operation.id)
  const own = operation.steps.map((step): ArmOperationStep =>
    kept && step.state === 'Undone' ? { ...step, state: 'Done' } : step,
  )
  return {
    id: o.path,
    name: operation.id,
    status: statuses[operation.status],
    startTime: operation.startedAt,
    ...(operation.endedAt !== undefined &&
      statuses[operation.status] !== 'InProgress' && { endTime: operation.endedAt }),
    ...(operation.error !== undefined && statuses[operation.status] === 'Failed' && { error: operation.error }),
    properties: { steps: [...own, ...steps] },
  }
}

/**
 * Headers of a request that continues after its answer. Retry-After is never 0: azure-core then waits 30 s. A PUT has
 * no Location: its result is the resource itself.
 */
export function asyncHeaders(
  request: ArmRequest,
  o: { subscriptionId: string; location: string; operationId: string },
): Record<string, string> {
  const base = `${request.origin}/subscriptions/${o.subscriptionId}/providers/Microsoft.Compute/locations/${o.location}`
  const version = request.query['api-version'] ?? '2024-11-01'
  return {
    'azure-asyncoperation': `${base}/operations/${o.operationId}?api-version=${version}`,
    ...(request.method !== 'PUT' && {
      location: `${base}/operations/${o.operationId}?monitor=true&api-version=${version}`,
    }),
    'retry-after': '1',
  }
}

/** The operation that a reply refers to. */
export function operationIdOf({ headers }: Pick<ArmReply, 'headers'>): string | undefined {
  const url = headers?.['azure-asyncoperation'] ?? headers?.['location']
  return url === undefined ? undefined : /\/operations\/([A-Za-z0-9-]+)/.exec(url)?.[1]
}

/** 202 with the operation to poll; a PUT shows its resource as well. */
export function accepted(
  plane: { subscriptionId: string },
  request: ArmRequest,
  resource: { location: string },
  operation: Pick<Operation, 'id'>,
  body?: Record<string, unknown>,
): ArmReply {
  const where = { subscriptionId: plane.subscriptionId, location: resource.location, operationId: operation.id }
  return { status: 202, headers: asyncHeaders(request, where), ...(body !== undefined && { body }) }
}

/** Begins an operation on a resource, in the transaction that prepares it. @param o.asker its caller */
export const begin = async <Params>(
  runner: OperationRunner,
  tx: Db,
  kind: string,
  o: { resource: { key: string }; asker: { objectId: string } | undefined },
  params: Params,
): Promise<Operation> =>
  await runner.submit({ kind, resourceId: o.resource.key, principal: o.asker?.objectId, params, tx })

/** A resource's unfinished operations. */
export const underWay = async (runner: OperationRunner, key: string): Promise<Operation[]> =>
  (await runner.listFor(key)).filter(({ status }) => status === 'Running' || status === 'Undoing')

export async function readOperation(runner: OperationRunner, id: string): Promise<Operation> {
  const operation = /^[A-Za-z0-9-]{1,64}$/.test(id) ? await runner.get(id) : undefined
  if (operation !== undefined) return operation
  throw unknownOperation(id)
}

export const unknownOperation = (id: string): ServiceError =>
  new ServiceError({
    code: 'OperationNotFound',
    message: `The operation '${id.slice(0, 64)}' could not be found.`,
  })

/** Answer of the Location URL: 202 while the operation runs, then 200, or the operation's error. */
export async function monitorReply(request: ArmRequest, operation: Operation): Promise<ArmReply> {
  if (operation.status === 'Running' || operation.status === 'Undoing') {
    return {
      status: 202,
      headers: {
        location: `${request.origin}${request.path}?monitor=true&api-version=${request.query['api-version'] ?? ''}`,
        'retry-after': '1',
      },
    }
  }
  if (operation.status === 'Succeeded') return { status: 200 }
  throw operationError(operation)
}

/** Why an operation failed. */
export function operationError(operation: Operation): ServiceError {
  const code = operation.status === 'Canceled' ? 'Canceled' : 'Failed'
  const message = `The operation ended as ${operation.status}.`
  return ServiceError.relayed(operation.error ?? { code, message }, 409)
}
