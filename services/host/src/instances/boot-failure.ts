import type { ServiceError } from '@strongroom/platform'
import { guestEnded, type RunningGuest } from '../qemu/running-guest.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import { differingTables } from '../qemu/tables-check.ts'
import type { BootOutcome } from './boot-watch.ts'
import type { Current } from './current-boot.ts'
import {
  afterDiskKey,
  bootLoaderRefused,
  bootStoodStill,
  bootTimedOut,
  diskDidNotUnlock,
  guestPoweredOff,
  otherDidNotComeUp,
  settingsRefused,
  startedAgain,
} from '../records/errors.ts'
import type { InstanceRecord } from '../records/record.ts'

/**
 * What follows a failed boot: an automatic retry, or the final error.
 * @param o.mayRepeat false if the VM was restarted often enough
 * @returns notice: for the VM's owner, if the following boot is not the requested one
 */
export async function afterFailedBoot(o: {
  outcome: Exclude<BootOutcome, { kind: 'ready' }>
  current: Pick<Current, 'guest' | 'acceleration' | 'console' | 'opensFor' | 'startsOtherOnce'>
  record: Pick<InstanceRecord, 'sealedTo' | 'launched' | 'spec'>
  mayRepeat: boolean
}): Promise<{ again: boolean; notice?: string; error?: ServiceError }> {
  const { outcome, current, mayRepeat } = o
  const { sealedTo } = o.record
  const rebooted = outcome.kind === 'ended' && outcome.end.kind === 'reboot'
  if (rebooted && mayRepeat && !current.startsOtherOnce) return { again: true }
  const explained = await explainFailedBoot({
    ...current,
    outcome,
    sealedTo: sealedTo && (current.opensFor ?? [sealedTo]),
  })
  const why = (await explainMachine(current.guest, o.record)) ?? explained
  const pastDisk = sealedTo !== undefined && (outcome.kind === 'refused' || outcome.kind === 'settings')
  const error = pastDisk ? afterDiskKey(why, o.record.spec.name) : why
  // The firmware removed BootNext before starting its target: now it starts the default.
  if (mayRepeat && current.startsOtherOnce) return { again: true, notice: otherDidNotComeUp(error), error }
  if (mayRepeat && outcome.kind === 'silent') return { again: true, notice: startedAgain(error), error }
  return { again: false, error }
}

/** If PCR 1 is not the computed one: whether that is the installed QEMU's doing, for any machine of this shape. */
async function explainMachine(
  guest: Pick<RunningGuest, 'registers' | 'evidence'>,
  { launched, spec }: Pick<InstanceRecord, 'launched' | 'spec'>,
): Promise<ServiceError | undefined> {
  const computed = guest.evidence?.expected.pcrs['1']
  if (launched === undefined || computed === undefined) return undefined
  const found = (await guest.registers())?.['1']
  if (found === undefined || found === computed) return undefined
  return await differingTables({ ...launched, ...(spec.interfaces !== undefined && { interfaces: spec.interfaces }) })
}

/** Why a guest did not become ready. Call before its vTPM ends: the registers show which link broke. */
async function explainFailedBoot(o: {
  outcome: Exclude<BootOutcome, { kind: 'ready' }>
  guest: Pick<RunningGuest, 'registers'>
  acceleration: Acceleration
  /** For each boot that can open the disk; absent without encryption. */
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
    case 'settings':
      return settingsRefused(outcome.line)
    case 'timeout':
      return bootTimedOut({ seconds: outcome.seconds, acceleration: o.acceleration, console })
    case 'silent':
      return bootStoodStill({ seconds: outcome.seconds, console })
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
