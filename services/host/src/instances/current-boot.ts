import type { GuestHealth } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import type { RunningGuest } from '../paravisor/running-guest.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { Deferred } from './deferred.ts'

/** A VM's current boot, in progress or completed. */
export interface Current {
  guest: RunningGuest
  console: GuestConsole
  acceleration: Acceleration
  /** The guest reported, so it listens to ACPI. Before that nothing in it may listen, and waiting would be pointless. */
  reported: boolean
  ready: Deferred<void>
  refused: Deferred<ServiceError>
  health?: GuestHealth
  /** See OpenedGuest. */
  opensFor: Record<string, string>[] | undefined
  startsOtherOnce: boolean
}
