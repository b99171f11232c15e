import { managementHost } from '@strongroom/contract'
import {
  OperationRunner,
  openServiceStore,
  systemClock,
  type FastifyInstance,
  type Figure,
  type FaultSource,
  type Service,
  type ServiceContext,
  type Store,
} from '@strongroom/platform'
import { Access, roles } from './arm/access.ts'
import { ActivityLog } from './arm/activity-log.ts'
import { createArmApp } from './arm/app.ts'
import { AttestationClient } from './host/attestation-client.ts'
import { Dispatcher } from './arm/dispatcher.ts'
import { UsageLog } from './providers/billing/usage-log.ts'
import { Locks } from './arm/locks.ts'
import { OperationNotes } from './arm/operations.ts'
import { QuotaRequests } from './providers/compute/size/quota-requests.ts'
import { serveBootDiagnostics } from './providers/compute/vm/boot-diagnostics.ts'
import { Passwords } from './store/passwords.ts'
import { movePolicyOf } from './placement/maintenance/move-policy.ts'
import { Quotas } from './providers/compute/size/quotas.ts'
import { CustomerKeys } from './host/customer-keys.ts'
import { IdentityClient } from './host/identity-client.ts'
import { VaultClient } from './host/vault-client.ts'
import { accessChanged, syncAllVaults } from './providers/keyvault/vault-sync.ts'
import { createFleetApp, type CertifyingAuthority } from './fleet/wire/host-app.ts'
import { Failover } from './fleet/failover.ts'
import { CarriedDisks } from './fleet/guests/carried-disks.ts'
import { CarriedVms } from './fleet/guests/carried-vms.ts'
import { FleetCompute } from './fleet/fleet-compute.ts'
import { fleetGuests } from './fleet/guests/fleet-guests.ts'
import type { HomeHost } from './fleet/guests/home-host.ts'
import { HostCalls } from './fleet/guests/host-calls.ts'
import { SshDoors } from './fleet/guests/ssh-doors.ts'
import { hostStreams, type HostStreams } from './fleet/guests/host-streams.ts'
import { fleetSimulated } from './fleet/carried-compute.ts'
import { hostFigures } from './fleet/host-figures.ts'
import { Placements } from './fleet/placements.ts'
import { PlannedMoves, type MovePolicy } from './fleet/planned-moves.ts'
import { HostRegistry } from './fleet/registry.ts'
import { Tickets } from './fleet/tickets.ts'
import { WorkSignal } from './fleet/work-signal.ts'
import type { KeyPlacement } from './host/host.ts'
import { hostClient } from './host/host-client.ts'
import { PlatformKeys } from './host/platform-key.ts'
import { SimulatedEvidence } from './host/simulated-evidence.ts'
import { noGuestStateKeys, SimulatedHost } from './host/simulated-host.ts'
import type { Plane } from './types/plane.ts'
import { resourceTypes } from './resource-types.ts'
import { groupSaga } from './resources/groups.ts'
import { allRoutes } from './routes.ts'
import { migrations } from './store/migrations.ts'
import { ResourceStore } from './store/resources.ts'
import type { ResourceTypes } from './types/registry.ts'
import type { AzureNames } from './host/customer-keys.ts'
import { withFaults } from './test-api/faulty-host.ts'
import { resetPlane } from './test-api/reset.ts'
import { Deployments } from './templates/deployments.ts'

export interface ControlPlaneContext extends ServiceContext, AzureNames {
  /** Object id of the principal that initially owns the subscription. */
  ownerObjectId: string
  /** How often a running operation polls the host, in milliseconds; default 250. */
  pollMs?: number
  /** Whether no image stands in for an unregistered one; default false. */
  strictImages?: boolean
  /** Faults injected by the test API; absent if it is off. */
  faults?: FaultSource
  /** Name of the store within `storeUrl`. */
  storeService?: string
  /** Default: the types described here. */
  types?: ResourceTypes
  /** An open store, which the service closes. */
  store?: Store
  /** Where hosts reach this server, as ADDRESS:PORT, and who certifies their keys; absent if it does not listen for any. */
  fleet?: {
    address: string
    authority: CertifyingAuthority
    home: HomeHost
    /** Default 10. */
    leaseSeconds?: number
  }
}

/** Another process on the same database takes over the work of a hung or disconnected one within 10 seconds. */
const leaseSeconds = 6
/** Azure keeps its activity log as long. */
const activityDays = 90
/** At least as long as the runner keeps operations. */
const operationDays = 31

export interface ControlPlaneService extends Service {
  /** For the hosts' listener, if there is one. */
  fleetApp: FastifyInstance | undefined
  /** Streams of hosts that carry guests. */
  fleetStreams: HostStreams | undefined
  /** Metrics of joined hosts. */
  figures(): Promise<Figure[]>
  /** Resets the subscription to empty; for the test API. @returns how many resources there were */
  reset(): Promise<number>
  /** The test API's actions, for the activity log. */
  record(o: { action: string; resourceId?: string; id: string }): Promise<void>
}

/** The resource manager: what answers at https://management.strongroom.internal. */
export async function createControlPlaneService(context: ControlPlaneContext): Promise<ControlPlaneService> {
  const { installation, clock, logger, types = resourceTypes } = context
  const store = context.store ?? (await openServiceStore(context, context.storeService ?? 'control_plane'))
  await store.migrate('control-plane', migrations)
  const resources = new ResourceStore(store, clock)
  const usage = new UsageLog(resources, clock, types)
  resources.watch(usage)
  await usage.open()
  const platformKeys = new PlatformKeys(context.wire, context.tokens)
  const withoutGuests = installation.compute === 'simulated'
  const identities = new IdentityClient({ ...context, tenantId: installation.tenantId })
  const access = new Access(resources, clock, async (objectId) => (await identities.lookUp(objectId)).groups)
  const locks = new Locks(resources, clock)
  const activity = new ActivityLog(resources, clock)
  const { subscriptionId } = installation
  const { faults } = context
  const quotas = new Quotas({ resources, store, subscriptionId, ...(faults !== undefined && { faults }) })
  const registry = new HostRegistry(store, context.fleet)
  const placements = new Placements(store, registry)
  const tickets = new Tickets(context.sealer.macKey('tickets of placements'))
  const placed = async (vmId: string): Promise<KeyPlacement | undefined> => {
    const placement = await placements.find(vmId)
    return placement && tickets.of(placement)
  }
  const evidence = new SimulatedEvidence(context.wire, context.tokens, platformKeys)
  const signal = new WorkSignal()
  const local = hostClient(context.wire, context.tokens)
  const calls = new HostCalls(signal)
  const guests =
    withoutGuests || context.fleet === undefined
      ? undefined
      : {
          ...context.fleet,
          vms: new CarriedVms({ ...context, store }),
          disks: new CarriedDisks(store),
          calls,
          ssh: new SshDoors({ calls, placements }),
          wire: context.wire,
          tokens: context.tokens,
          tenantId: installation.tenantId,
        }
  const carried = guests && fleetGuests({ ...guests, local, placements, tickets, keys: platformKeys })
  const inner = withoutGuests ? fleetSimulated(new SimulatedHost(resources, clock, evidence, placed)) : carried
  const planned = new PlannedMoves(store)
  const policyOf = async (id: string): Promise<MovePolicy> => await movePolicyOf(resources, id)
  const compute = inner && new FleetCompute({ inner, placements, registry, planned, signal, policyOf })
  const host = compute?.asHost() ?? local
  const plane: Plane = {
    subscriptionId,
    tenantId: installation.tenantId,
    ownerObjectId: context.ownerObjectId,
    clock,
    logger,
    newId: () => context.newId(),
    store,
    types,
    resources,
    access,
    locks,
    activity,
    usage,
    passwords: new Passwords(context.sealer),
    quotas,
    quotaRequests: new QuotaRequests({ resources, store, quotas, clock }),
    // Leases concern this process: the tests' clock does not expire them.
    runner: new OperationRunner({ store, logger, clock: systemClock, owner: 'control-plane', leaseSeconds }),
    middle: new OperationRunner({ store, logger, clock: systemClock, owner: 'control-plane', leaseSeconds }),
    outer: new OperationRunner({ store, logger, clock: systemClock, owner: 'control-plane', leaseSeconds }),
    notes: new OperationNotes(resources, clock),
    fleet: {
      registry,
      ...(compute !== undefined && { compute }),
      ...(guests !== undefined && { ssh: guests.ssh }),
      ...(context.fleet !== undefined && { served: context.fleet }),
    },
    host: faults === undefined ? host : withFaults(host, faults, clock),
    keys: withoutGuests ? noGuestStateKeys : platformKeys,
    identities,
    customerKeys: new CustomerKeys({ ...context, tenantId: installation.tenantId }),
    attestation: new AttestationClient(context.wire, context.tokens),
    verifiers: context.verifiers ?? [],
    vaults: new VaultClient(context.wire, context.tokens),
    strictImages: context.strictImages ?? false,
    pollMs: context.pollMs ?? 250,
    dispatcher: new Dispatcher({
      routes: () => allRoutes(plane, deployments),
      subscriptionId,
      access,
      locks,
      activity,
    }),
  }
  const deployments = new Deployments(plane)
  for (const type of plane.types.all) type.define?.(plane)
  plane.outer.define(groupSaga(plane))
  plane.outer.define(deployments.saga())
  access.onChange((change) => accessChanged(plane, change))
  await ensureOwner(plane, context.ownerObjectId)
  const app = createArmApp({
    logger,
    verifier: context.verifier,
    tenantId: installation.tenantId,
    dispatcher: plane.dispatcher,
    routes: () => allRoutes(plane, deployments),
  })
  serveBootDiagnostics(app, plane)
  const fleet = context.fleet && compute && { ...context.fleet, registry, compute, placements, logger }
  const shownInstallation = { ...installation, compute: installation.compute ?? 'guests' }
  const fleetApp = fleet && createFleetApp({ ...fleet, installation: shownInstallation, ...(guests && { guests }) })
  const fleetStreams = fleet && guests && hostStreams({ ...fleet, ...guests })
  const failover = fleet && new Failover(fleet)
  let synchronised: Promise<void> = Promise.resolve()
  return {
    name: 'control-plane',
    hosts: [{ matches: (host) => host === managementHost, app }],
    fleetApp,
    fleetStreams,
    figures: async () => await hostFigures({ registry, placements }),
    reset: async () => await resetPlane(plane),
    record: async ({ action, resourceId = `/subscriptions/${subscriptionId}`, id }) =>
      await activity.write({ caller: 'test-api', action, resourceId, status: 200, correlationId: id }),
    start: async () => {
      await app.ready()
      const daysAgo = (days: number): Date => new Date(clock.now().getTime() - days * 24 * 3600_000)
      await plane.activity.removeBefore(daysAgo(activityDays))
      await plane.notes.removeBefore(daysAgo(operationDays))
      await usage.removeOld()
      await plane.runner.start()
      await plane.middle.start()
      await plane.outer.start()
      failover?.start()
      synchronised = syncAllVaults(plane).catch((error: unknown) =>
        logger.error({ err: error }, 'the key service could not be informed of the vaults'),
      )
    },
    close: async () => {
      await synchronised
      await failover?.stop()
      await plane.outer.stop()
      await plane.middle.stop()
      await plane.runner.stop()
      await app.close()
      await guests?.ssh.close()
      await fleetApp?.close()
      await store.close()
    },
  }
}

/** The owner's role is written once: the owner may give it to another principal and remove it from the first. */
async function ensureOwner(plane: Plane, objectId: string): Promise<void> {
  const scope = `/subscriptions/${plane.subscriptionId}`
  const owner = roles[0]
  if (owner === undefined) throw new TypeError('there is no owner role')
  const owners = (await plane.access.list()).filter(
    (row) => row.scope === scope.toLowerCase() && row.role_id === owner.id,
  )
  if (owners.length > 0) return
  await plane.access.assign({
    scope,
    name: plane.newId(),
    principalId: objectId,
    principalType: 'ServicePrincipal',
    roleId: owner.id,
    by: objectId,
    asker: undefined,
  })
}
