import type { InstallationAuthority, ServiceContext } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import type { Restores } from '../restores/restores.ts'
import type { AccessGrants } from '../disks/stored/access-grants.ts'
import type { ProbeResult } from '../qemu/probe.ts'
import type { FirmwareReleases } from '../firmware/firmware-releases.ts'
import type { AttestedDocuments } from '../network/attested-document.ts'
import type { PlannedEvents } from '../network/scheduled-events.ts'
import type { ImageStatements } from '../image/image-statements.ts'
import type { DiskDriver } from '../disks/disk-driver.ts'
import type { InstanceStore } from '../records/instance-store.ts'

/** Where VMs' records are stored. */
export type InstanceRecords = Pick<InstanceStore, 'list' | 'save' | 'saveEvidence' | 'evidence' | 'remove'>

/** What every VM of the host works with. */
export interface HostServices extends Omit<ServiceContext, 'storeUrl' | 'verifier' | 'newId'> {
  authority: InstallationAuthority
  /** A joined host asks the server, which signs. */
  documents: AttestedDocuments
  /** Absent in hardware mode. */
  silicon: Silicon | undefined
  store: InstanceRecords
  measurements: ImageStatements
  /** The firmware that guests may be launched with; absent on a joined host, which does not decide it. */
  firmware?: Pick<FirmwareReleases, 'ensure'>
  /** VMs that wait for their backups, and their uploads; absent on a joined host, which restores none. */
  restores?: Restores
  grants?: AccessGrants
  /** What is planned for this VM; absent on the server's own host, which is never drained. */
  events?: PlannedEvents
  /** Where OS disks and guest states are. */
  disks: DiskDriver
  /** Probed once, on first use. */
  acceleration(): Promise<ProbeResult>
  /** From power-on to the guest's report; default by acceleration. */
  bootLimitSeconds?: number
  /** VMs that ran when the last server ended stay off. */
  keepVmsOff?: boolean
}
