import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer, openStore, systemClock, type Caller, type Store } from '@strongroom/platform'
import { Access } from '../arm/access.ts'
import { ActivityLog } from '../arm/activity-log.ts'
import { Dispatcher } from '../arm/dispatcher.ts'
import { Locks } from '../arm/locks.ts'
import type { ArmReply, ArmRequest, Method } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { migrations } from '../store/migrations.ts'
import { ResourceStore } from '../store/resources.ts'
import { ownerId, subscriptionId, tenantId } from './ids.ts'

export interface RightsPlane {
  store: Store
  resources: ResourceStore
  access: Access
  locks: Locks
  activity: ActivityLog
  dispatcher: Dispatcher
  /** Principals' groups, in the directory. */
  groups: Map<string, string[]>
  /** Principals' types, in the directory. */
  types: Map<string, string>
  /** @param as the owner by default */
  ask(
    method: Method,
    path: string,
    o?: { as?: string; body?: unknown; query?: Record<string, string> },
  ): Promise<ArmReply>
  close(): Promise<void>
}

export const callerOf = (objectId: string): Caller => ({ objectId, appId: `app of ${objectId}`, tenantId, claims: {} })

/**
 * Authorisation on a separate store, with some routes behind it: the resource manager without hosts, vaults and the
 * web, for tests of rights.
 * @param more what else the routes need of a plane
 */
export async function openRights(routes: (plane: Plane) => Route[], more: Partial<Plane> = {}): Promise<RightsPlane> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-rights-'))
  const store = await openStore({
    url: `sqlite:${directory}`,
    service: 'rights',
    sealer: createSealer(new Uint8Array(32)),
  })
  await store.migrate('control-plane', migrations)
  const resources = new ResourceStore(store, systemClock)
  const groups = new Map<string, string[]>()
  const types = new Map<string, string>()
  const access = new Access(
    resources,
    systemClock,
    async (objectId) => await Promise.resolve(groups.get(objectId) ?? []),
  )
  const locks = new Locks(resources, systemClock)
  const activity = new ActivityLog(resources, systemClock)
  const plane = {
    subscriptionId,
    tenantId,
    ownerObjectId: ownerId,
    resources,
    access,
    locks,
    activity,
    identities: {
      lookUp: async (id: string) =>
        await Promise.resolve({ principalType: types.get(id), groups: groups.get(id) ?? [] }),
    },
    ...more,
  } as unknown as Plane
  const dispatcher = new Dispatcher({ routes: () => routes(plane), subscriptionId, access, locks, activity })
  const ask: RightsPlane['ask'] = async (method, path, o = {}) =>
    await dispatcher.answer({
      method,
      path,
      origin: 'https://management.strongroom.internal',
      params: {},
      query: o.query ?? { 'api-version': '2024-11-01' },
      headers: {},
      body: o.body,
      caller: callerOf(o.as ?? ownerId),
      correlationId: 'c-1',
    } satisfies ArmRequest)
  return {
    store,
    resources,
    access,
    locks,
    activity,
    dispatcher,
    groups,
    types,
    ask,
    close: async () => {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
