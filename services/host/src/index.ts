import { collateralHost, diskBlobHost, machineHost } from '@strongroom/contract'
import { genuineAmdAnchors, genuineIntelAnchors, type TrustAnchors } from '@strongroom/evidence'
import { openServiceStore, type InstallationAuthority, type Service, type ServiceContext } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { createCollateralApp } from './http/collateral-routes.ts'
import { ImageBuilds } from './http/image-builds.ts'
import { createMachineApp } from './http/machine-routes.ts'
import { openMeasurementKey } from './image/measurement-key.ts'
import { PublishedMeasurements } from './image/published-measurements.ts'
import { InstanceStore } from './instances/instance-store.ts'
import { Machine } from './instances/machine.ts'
import type { MachineServices } from './instances/services.ts'
import { createBlobApp } from './kept/blob-app.ts'
import { KeptDisks } from './kept/kept-disks.ts'
import { probeAcceleration, type ProbeResult } from './qemu/probe.ts'
import { SimulatedBootStore } from './simulated/boot-store.ts'
import { SimulatedBoots } from './simulated/simulated-boots.ts'
import { openSiliconKeys } from './silicon-keys.ts'

export interface HostServiceOptions extends ServiceContext {
  authority: InstallationAuthority
  /** The only principal that may call the machine. */
  controlPlaneObjectId: string
  /** How long a guest may take from power-on to its report; by the acceleration where it is absent. */
  bootLimitSeconds?: number
  /** VMs that ran when the last server ended stay off. */
  keepVmsOff?: boolean
}

/** The roots that this machine's processors are under, and the key that signs what its images measure. */
export interface HostService extends Service {
  anchors: TrustAnchors
}

/** What runs on a machine that carries VMs: the machine wire, the processors' endorsements, and the VMs themselves. */
export async function createHostService(context: HostServiceOptions): Promise<HostService> {
  const silicon = await openSilicon(context)
  const rows = await openServiceStore(context, 'host')
  const store = await InstanceStore.open(rows, context.sealer)
  const key = await openMeasurementKey(context)
  const measurements = new PublishedMeasurements({ ...context, key })
  let probed: Promise<ProbeResult> | undefined
  const services: MachineServices = {
    ...context,
    silicon,
    store,
    measurements,
    acceleration: () => (probed ??= probeAcceleration({ cacheDir: context.cacheDir })),
  }
  const machine = new Machine(services)
  const disks = new KeptDisks(services, machine)
  const simulated = new SimulatedBoots(services, await SimulatedBootStore.open(rows))
  const builds = new ImageBuilds({ ...context, measurements })
  const machineApp = createMachineApp({ ...context, machine, disks, builds, simulated, measurements })
  const blobApp = createBlobApp({
    grants: disks.grants,
    locate: async (id, part, permission) => await disks.locate(id, part, permission),
    logger: context.logger,
  })
  const collateralApp = createCollateralApp({ silicon, logger: context.logger })
  return {
    name: 'host',
    anchors: {
      ...(silicon?.anchors ?? { simulated: false, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }),
      images: [key.publicJwk],
    },
    hosts: [
      { matches: (host) => host === machineHost, app: machineApp },
      { matches: (host) => host === diskBlobHost, app: blobApp },
      { matches: (host) => host === collateralHost, app: collateralApp },
    ],
    start: async () => {
      await machine.start()
      await disks.start()
    },
    close: async () => {
      await builds.close()
      await disks.close()
      await machine.close()
      await simulated.close()
      await blobApp.close()
      await machineApp.close()
      await collateralApp.close()
      await store.close()
    },
  }
}

/** Simulated processors exist in simulated mode only; in hardware mode their code is not even loaded. */
async function openSilicon(context: HostServiceOptions): Promise<Silicon | undefined> {
  if (context.installation.mode !== 'simulated') return undefined
  const { createSilicon } = await import('@strongroom/silicon')
  return await createSilicon({ keys: await openSiliconKeys(context), clock: context.clock })
}
