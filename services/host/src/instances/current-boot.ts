import type { GuestHealth } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import type { RunningGuest } from '../paravisor/running-guest.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { Deferred } from './deferred.ts'

/** The boot of a VM that is under way or has come to its guest. */
export interface Current {
  guest: RunningGuest
  console: GuestConsole
  acceleration: Acceleration
  /** The guest reported: it listens to ACPI. Before that nobody in it may, and waiting would be in vain. */
  reported: boolean
  ready: Deferred<void>
  refused: Deferred<ServiceError>
  health?: GuestHealth
  /** See OpenedGuest. */
  opensFor: Record<string, string>[] | undefined
  startsOtherOnce: boolean
}
