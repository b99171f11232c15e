import type {
  AttestedDocument,
  CarriedCertificate,
  CarriedDiskAnswer,
  CarriedStateAnswer,
  FleetInstallation,
  ImageManifest,
  InstanceSpec,
} from '@strongroom/contract'
import type { Shape } from '@strongroom/contract/shape'
import {
  carriedApproval,
  carriedCall,
  carriedDisk,
  carriedDocument,
  carriedInstance,
  carriedKey,
  carriedMeasurements,
  carriedSilicon,
  carriedState,
  hostAnswer,
  largestCarriedBody,
} from '@strongroom/contract/wires'
import {
  read,
  type FastifyInstance,
  type FastifyRequest,
  type TokenSource,
  type WireClient,
} from '@strongroom/platform'
import type { CarriedVms } from './carried-vms.ts'
import { diskOf, type CarriedDisks } from './carried-disks.ts'
import { callFor } from './carried-calls.ts'
import type { FleetCompute } from '../fleet-compute.ts'
import type { SshDoors } from './ssh-doors.ts'
import type { HomeHost } from './home-host.ts'
import { callerOf } from '../host-caller.ts'
import type { HostCalls } from './host-calls.ts'
import type { HostRegistry } from '../registry.ts'

/** What a fleet with guests has in addition. */
export interface GuestParts {
  vms: CarriedVms
  disks: CarriedDisks
  home: HomeHost
  calls: HostCalls
  ssh: SshDoors
  wire: WireClient
  tokens: TokenSource
  tenantId: string
}

interface Parts extends GuestParts {
  registry: HostRegistry
  compute: FleetCompute
}

/** @throws ServiceError InvalidRequestContent */
const sent = <T>(shape: Shape<T>, { body }: FastifyRequest): T =>
  read(shape, body, { code: 'InvalidRequestContent', subject: 'What the host sent' })

/** Requests from hosts of guests. Each is answered for a VM that the caller carries, at its present placement's epoch. */
export function carriedRoutes(app: FastifyInstance, o: Parts): void {
  const large = { bodyLimit: largestCarriedBody }
  /** What the host sent about a VM that it carries. */
  const carried = async <T extends { vmId: string; epoch: number }>(
    shape: Shape<T>,
    request: FastifyRequest,
  ): Promise<T> => {
    const { host } = await callerOf(o.registry, request.raw)
    const said = sent(shape, request)
    await o.compute.carried(host, said)
    return said
  }
  const specOf = async (vmId: string): Promise<InstanceSpec> => {
    const vm = await o.vms.find(vmId)
    if (vm === undefined) throw new TypeError('a VM that is carried has a row')
    return vm.spec
  }
  app.post('/instance', large, async (request) => {
    const { host } = await callerOf(o.registry, request.raw)
    await o.compute.take(host, sent(carriedInstance, request))
    return {}
  })
  app.post('/call', async (request) => {
    const said = await carried(carriedCall, request)
    return { body: await callFor(o, await specOf(said.vmId), said) }
  })
  app.post('/certify', async (request): Promise<CarriedCertificate> => {
    return { certificate: await o.home.certify(await carried(carriedKey, request)) }
  })
  app.post('/document', async (request): Promise<AttestedDocument> => {
    const { vmId, nonce } = await carried(carriedDocument, request)
    return await o.home.document({ spec: await specOf(vmId), ...(nonce !== undefined && { nonce }) })
  })
  app.post('/silicon', async (request) => await o.home.silicon(await carried(carriedSilicon, request)))
  app.post('/measurements', async (request) => {
    const jws = await o.home.measurements(await carried(carriedMeasurements, request))
    return jws === undefined ? {} : { jws }
  })
  app.post('/state', large, async (request): Promise<CarriedStateAnswer> => {
    const { vmId, epoch, bytes } = await carried(carriedState, request)
    if (bytes !== undefined) await o.home.writeState({ vmId, epoch, bytes: Buffer.from(bytes, 'base64') })
    const kept = bytes === undefined ? await o.home.readState({ vmId, epoch }) : undefined
    return kept === undefined ? {} : { bytes: Buffer.from(kept).toString('base64') }
  })
  app.post('/event', async (request) => {
    const { vmId, event } = await carried(carriedApproval, request)
    await o.compute.approveMove(vmId, event)
    return {}
  })
  app.post('/disk', async (request): Promise<CarriedDiskAnswer> => {
    const { vmId, epoch, disk, opened = false } = await carried(carriedDisk, request)
    return await o.home.disk({ vmId, epoch, which: async () => await diskOf(o, vmId, disk), opened })
  })
  app.post('/answer', large, async (request) => {
    const { host } = await callerOf(o.registry, request.raw)
    o.calls.take(host.id, sent(hostAnswer, request))
    return {}
  })
  app.get<{ Params: { id: string } }>('/images/:id', async (request): Promise<ImageManifest> => {
    await callerOf(o.registry, request.raw)
    return await o.home.image(request.params.id)
  })
}

/** Without guests, hosts only need to know that. */
export function installationRoute(
  app: FastifyInstance,
  o: { registry: HostRegistry; installation: FleetInstallation },
): void {
  app.get('/installation', async (request) => {
    await callerOf(o.registry, request.raw)
    const { tenantId, subscriptionId, compute } = o.installation
    return { tenantId, subscriptionId, compute }
  })
}
