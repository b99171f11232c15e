import type { InstallationAuthority, ServiceContext } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import type { ProbeResult } from '../qemu/probe.ts'
import type { PublishedMeasurements } from '../image/published-measurements.ts'
import type { InstanceStore } from './instance-store.ts'

/** What every VM of the host works with. */
export interface HostServices extends ServiceContext {
  authority: InstallationAuthority
  /** Absent in hardware mode. */
  silicon: Silicon | undefined
  store: InstanceStore
  measurements: PublishedMeasurements
  /** Probed once, on first use. */
  acceleration(): Promise<ProbeResult>
  /** From power-on to the guest's report; by the acceleration where it is absent. */
  bootLimitSeconds?: number
  /** VMs that ran when the last server ended stay off. */
  keepVmsOff?: boolean
}
