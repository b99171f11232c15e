import type { ServiceError } from '@strongroom/platform'
import { guestEnded, type RunningGuest } from '../paravisor/running-guest.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { BootOutcome } from './boot-watch.ts'
import { bootLoaderRefused, bootTimedOut, diskDidNotUnlock, guestPoweredOff } from './errors.ts'

/** Why a guest did not become ready. To be asked before anything ends its vTPM: the registers say which link broke. */
export async function explainFailedBoot(o: {
  outcome: Exclude<BootOutcome, { kind: 'ready' }>
  guest: Pick<RunningGuest, 'registers'>
  acceleration: Acceleration
  /** Of each boot that opens the disk; absent where it is not encrypted. */
  sealedTo: Record<string, string>[] | undefined
  console: GuestConsole
}): Promise<ServiceError> {
  const { outcome } = o
  const console = await o.console.lastLines()
  switch (outcome.kind) {
    case 'refused':
      return outcome.error
    case 'bootLoader':
      return bootLoaderRefused(outcome.line)
    case 'timeout':
      return bootTimedOut({ seconds: outcome.seconds, acceleration: o.acceleration, console })
    case 'ended': {
      const { end } = outcome
      if (end.kind === 'crash' || end.kind === 'vtpmEnded') return guestEnded(end, 'before the guest was ready')
      if (o.sealedTo !== undefined) {
        return diskDidNotUnlock({ sealedTo: o.sealedTo, found: await o.guest.registers(), console })
      }
      return guestPoweredOff(console, end.kind === 'reboot' ? 'rebooted' : 'powered off')
    }
  }
}
