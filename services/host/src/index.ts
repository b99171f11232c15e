import { collateralHost, diskBlobHost, hostApiHost } from '@strongroom/contract'
import { genuineAmdAnchors, genuineIntelAnchors, type TrustAnchors } from '@strongroom/evidence'
import { openServiceStore, type InstallationAuthority, type Service, type ServiceContext } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { Backups } from './backup/backups.ts'
import { Restores } from './restores/restores.ts'
import { localDisks } from './disks/disk-driver.ts'
import type { CephConfiguration } from './home/ceph/ceph-configuration.ts'
import { CephCluster } from './home/ceph/ceph-cluster.ts'
import { CephStorage } from './home/ceph/ceph-storage.ts'
import { HomeHost } from './home/home-host.ts'
import { createCollateralApp } from './collateral/collateral-routes.ts'
import { ImageBuilds } from './http/image-builds.ts'
import { createHostApp } from './http/host-routes.ts'
import { DocumentSigner } from './network/attested-document.ts'
import { FirmwareReleases } from './firmware/firmware-releases.ts'
import { openMeasurementKey } from './image/measurement-key.ts'
import { PublishedMeasurements } from './image/published-measurements.ts'
import { InstanceStore } from './records/instance-store.ts'
import { Host } from './instances/host.ts'
import type { HostServices } from './instances/services.ts'
import { AccessGrants } from './disks/stored/access-grants.ts'
import { createBlobApp } from './disk-store/blob-app.ts'
import { DiskStore } from './disk-store/disk-store.ts'
import { probeAcceleration, type ProbeResult } from './qemu/probe.ts'
import { SimulatedBootStore } from './simulated/boot-store.ts'
import { SimulatedBoots } from './simulated/simulated-boots.ts'
import { TestEvidence } from './simulated/test-evidence.ts'
import { openSiliconKeys } from './silicon-keys.ts'

export type { GuestEvidence, PlatformEvidence, TestEvidence } from './simulated/test-evidence.ts'
export { readCephConfiguration } from './home/ceph/ceph-configuration.ts'

export interface HostServiceOptions extends ServiceContext {
  authority: InstallationAuthority
  /** The only principal that may call the host. */
  controlPlaneObjectId: string
  /** How long a guest may take from power-on to its report; default by acceleration. */
  bootLimitSeconds?: number
  /** VMs that ran when the last server ended stay off. */
  keepVmsOff?: boolean
  /** Where disks of joined hosts' VMs are, if not in the state directory. */
  fleetStorage?: CephConfiguration
}

/** The roots of this host's processors, and the key that signs image measurements. */
export interface HostService extends Service {
  anchors: TrustAnchors
  /** What it provides to joining hosts. */
  home: HomeHost
  /** For the test API; absent in hardware mode. */
  testEvidence: TestEvidence | undefined
}

/** What runs on a host: the host wire, the processors' endorsements, and the VMs. */
export async function createHostService(context: HostServiceOptions): Promise<HostService> {
  const silicon = await openSilicon(context)
  const rows = await openServiceStore(context, 'host')
  const store = await InstanceStore.open(rows, context.sealer)
  const key = await openMeasurementKey(context)
  const measurements = new PublishedMeasurements({ ...context, key })
  const firmware = new FirmwareReleases({ ...context, key })
  let probed: Promise<ProbeResult> | undefined
  const restores = new Restores()
  const grants = new AccessGrants(context)
  const services: HostServices = {
    ...context,
    documents: new DocumentSigner(context),
    restores,
    grants,
    silicon,
    store,
    disks: localDisks,
    measurements,
    firmware,
    acceleration: () => (probed ??= probeAcceleration({ cacheDir: context.cacheDir })),
  }
  const host = new Host(services)
  const disks = new DiskStore(services, host)
  const backups = new Backups({ services, host, grants })
  const simulated = new SimulatedBoots(services, await SimulatedBootStore.open(rows))
  const home = new HomeHost({ ...services, measurements, firmware, ceph: cephOf(context) })
  const builds = new ImageBuilds({ ...context, measurements })
  const hostApp = createHostApp({
    ...context,
    host,
    disks,
    backups,
    restores,
    builds,
    simulated,
    measurements,
    firmware,
  })
  const blobApp = createBlobApp({
    grants,
    locate: async (id, part, permission) => {
      const path = permission === 'Read' ? backups.locate(id, part) : restores.locate(id, part)
      return path === undefined ? await disks.locate(id, part, permission) : { path, footer: false }
    },
    logger: context.logger,
  })
  const collateralApp = createCollateralApp({ silicon, logger: context.logger })
  return {
    name: 'host',
    home,
    testEvidence: silicon && new TestEvidence({ silicon, authority: context.authority }),
    anchors: { ...rootsOf(silicon), images: [key.publicJwk] },
    hosts: [
      { matches: (host) => host === hostApiHost, app: hostApp },
      { matches: (host) => host === diskBlobHost, app: blobApp },
      { matches: (host) => host === collateralHost, app: collateralApp },
    ],
    start: async () => {
      await host.start()
      await disks.start()
    },
    close: async () => {
      await builds.close()
      await disks.close()
      await host.close()
      await home.close()
      await simulated.close()
      await blobApp.close()
      await hostApp.close()
      await collateralApp.close()
      await store.close()
    },
  }
}

function cephOf({ fleetStorage, stateDir, logger }: HostServiceOptions): CephStorage | undefined {
  return fleetStorage && new CephStorage({ cluster: new CephCluster(fleetStorage, logger), stateDir, logger })
}

const rootsOf = (silicon: Silicon | undefined): TrustAnchors =>
  silicon?.anchors ?? { simulated: false, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }

/** Simulated processors exist in simulated mode only; hardware mode does not even load their code. */
async function openSilicon(context: HostServiceOptions): Promise<Silicon | undefined> {
  if (context.installation.mode !== 'simulated') return undefined
  const { createSilicon } = await import('@strongroom/silicon')
  return await createSilicon({ keys: await openSiliconKeys(context), clock: context.clock })
}
