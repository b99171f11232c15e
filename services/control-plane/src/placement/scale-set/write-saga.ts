import { ServiceError, toErrorDetail, type Caller, type SagaDefinition, type StepContext } from '@strongroom/platform'
import type { ErrorDetail } from '@strongroom/contract'
import type { Plane } from '../../types/plane.ts'
import { instancesOf, type ScaleSet, type ScaleSetInternal } from '../../providers/compute/scale-set/scale-set-model.ts'
import { stateOf } from '../../providers/compute/vm/model/vm-model.ts'
import { ask, follow } from './inner-request.ts'
import { instanceId, newInstanceName, type InstanceModel, type InstanceName } from './instance-model.ts'
import { inSet, instanceRequest, interfacesOf } from './instance-request.ts'
import { leaving, zoneOfNext } from './scaling.ts'

export interface SetParams {
  /** ARM id. */
  id: string
  uniqueId: string
  /** Whose rights apply to creations and deletions. */
  caller: Caller
  correlationId: string
}

export interface ScaleParams extends SetParams {
  /** How many VMs the set is to have. */
  capacity: number
}

/** Results of steps for later ones. */
type Plan = {
  create: InstanceName[]
  remove: string[]
  operations?: (string | undefined)[]
  refused?: ErrorDetail
}

export async function findSet(
  plane: Plane,
  { id, uniqueId }: Pick<SetParams, 'id' | 'uniqueId'>,
): Promise<ScaleSet | undefined> {
  const set = await plane.resources.find<ScaleSetInternal>(id)
  return set?.internal.uniqueId === uniqueId ? set : undefined
}

/** The model of a set's instances; undefined if VMs are only added to it. */
function modelOf({ id, location, body, internal }: ScaleSet): InstanceModel | undefined {
  const { profile, vmSize } = internal
  if (profile === undefined || vmSize === undefined) return undefined
  const { tags = {}, identity } = body
  return { id, location, tags, ...(identity !== undefined && { identity }), vmSize, profile }
}

/** Brings a set to its target number of VMs. A failure leaves the VMs created so far, as in Azure. */
export function scaleSaga(plane: Plane): SagaDefinition<ScaleParams> {
  const planOf = (c: StepContext<ScaleParams>): Plan => c.data as Plan
  return {
    kind: 'scaleSet.scale',
    steps: [
      {
        name: 'choose instances',
        // Stored with the operation, so that a server that takes over creates the same ones.
        do: async ({ params }) => ({ ...(await choose(plane, params)) }),
      },
      {
        name: 'delete instances',
        do: async (c) => await deleteAll(plane, c, planOf(c).remove),
      },
      {
        name: 'make instances',
        do: async (c) => {
          const set = await findSet(plane, c.params)
          const model = set && modelOf(set)
          const operations: (string | undefined)[] = []
          if (model === undefined) return { operations }
          for (const name of planOf(c).create) {
            c.signal.throwIfAborted()
            try {
              operations.push(await makeInstance(plane, c.params, model, name))
            } catch (error) {
              if (!(error instanceof ServiceError) || error.status >= 500) throw error
              return { operations, refused: toErrorDetail(error) }
            }
          }
          return { operations }
        },
      },
      {
        name: 'wait until instances are ready',
        do: async (c) => {
          const { operations = [], refused } = planOf(c)
          await followAll(plane, operations, c.signal)
          if (refused !== undefined) throw ServiceError.relayed(refused, 409)
        },
      },
    ],
    onFinished: async ({ params, status }) =>
      await setState(plane, params, status === 'Succeeded' ? 'Succeeded' : 'Failed'),
  }
}

/** Waits for all of them, even if one fails. @throws ServiceError with the first error */
export async function followAll(
  plane: Plane,
  operations: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<void> {
  const ended = await Promise.allSettled(operations.map(async (id) => await follow(plane, id, signal)))
  signal.throwIfAborted()
  const failed = ended.find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function choose(plane: Plane, params: ScaleParams): Promise<Plan> {
  const set = await findSet(plane, params)
  if (set === undefined) return { create: [], remove: [] }
  const standing = (await instancesOf(plane, set)).filter((vm) => stateOf(vm) !== 'Deleting')
  const missing = params.capacity - standing.length
  const create: InstanceName[] = []
  const zones = set.body.zones ?? []
  const taken = standing.flatMap(({ body }) => body.zones ?? [])
  for (let n = 0; n < missing; n += 1) {
    const zone = zoneOfNext(zones, taken)
    if (zone !== undefined) taken.push(zone)
    create.push(newInstanceName(zone))
  }
  return { create, remove: missing < 0 ? leaving(set, standing, -missing).map(({ id }) => id) : [] }
}

/** Creates one instance's interfaces, then its VM; if the VM is refused, removes them again. */
async function makeInstance(
  plane: Plane,
  { id, caller, correlationId }: SetParams,
  model: InstanceModel,
  name: InstanceName,
): Promise<string | undefined> {
  const interfaces = interfacesOf(model, name)
  const made: string[] = []
  const put = async (path: string, body: unknown): Promise<string | undefined> => {
    const operation = await ask(plane, { caller, correlationId, method: 'PUT', path, body })
    made.unshift(path)
    return operation
  }
  try {
    for (const each of interfaces) {
      if (each.address !== undefined) await put(each.address.id, each.address.body)
      await put(each.id, each.body)
    }
    return await put(instanceId(id, name), inSet(instanceRequest(model, name, interfaces), id))
  } catch (error) {
    for (const path of made) await ask(plane, { caller, correlationId, method: 'DELETE', path }).catch(() => undefined)
    throw error
  }
}

/** Deletes instances concurrently. @throws ServiceError with the first error */
async function deleteAll(
  plane: Plane,
  { params, signal }: Pick<StepContext<SetParams>, 'params' | 'signal'>,
  ids: readonly string[],
): Promise<void> {
  const { caller, correlationId } = params
  const operations: (string | undefined)[] = []
  for (const path of ids) operations.push(await ask(plane, { caller, correlationId, method: 'DELETE', path }))
  await followAll(plane, operations, signal)
}

async function setState(plane: Plane, { id, uniqueId }: SetParams, state: string): Promise<void> {
  await plane.resources.update<ScaleSetInternal>(id, ({ body, internal }) => {
    if (internal.uniqueId === uniqueId && body.properties['provisioningState'] !== 'Deleting')
      body.properties['provisioningState'] = state
  })
}
