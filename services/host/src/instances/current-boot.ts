import type { AnyBootEvidence, GuestHealth } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import type { RunningGuest } from '../qemu/running-guest.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import type { GuestConsole } from '../qemu/serial-log.ts'
import type { Booted } from './boot.ts'
import type { Deferred } from './deferred.ts'
import { notReady } from '../records/errors.ts'
import type { VmFiles } from '../records/layout.ts'
import type { InstanceRecord } from '../records/record.ts'

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
  /** What its boot showed, once it has reported. */
  shown: () => AnyBootEvidence | undefined
  /** See OpenedGuest. */
  opensFor: Record<string, string>[] | undefined
  startsOtherOnce: boolean
}

export function currentBoot(booted: Booted, waits: Pick<Current, 'ready' | 'refused'>): Current {
  const { guest, console, acceleration, shown, opensFor, startsOtherOnce } = booted
  return { guest, console, acceleration, shown, opensFor, startsOtherOnce, reported: false, ...waits }
}

/** @param follows the outcome of the boot before, which this one automatically follows */
export function recordBoot(record: InstanceRecord, booted: Booted, follows: readonly string[]): void {
  record.launched = booted.launched
  record.notices = [...booted.notices, ...follows]
  record.sshPort = booted.sshPort
  const { evidence } = booted.guest
  const wrappedBy = evidence !== undefined && 'release' in evidence ? evidence.customerRelease?.keyId : undefined
  if (wrappedBy !== undefined) record.wrappedBy = wrappedBy
}

/** What a task on a running guest gets. */
export interface RunningWork {
  record: InstanceRecord
  files: VmFiles
  current: Current
  /** Aborted when the VM is to stop. */
  signal: AbortSignal
}

/** @throws ServiceError InstanceNotReady */
export function runningWork(
  record: InstanceRecord,
  files: VmFiles,
  current: Current | undefined,
  signal: AbortSignal,
): RunningWork {
  if (current === undefined || record.power.state !== 'Ready') throw notReady(record.power.state)
  return { record, files, current, signal }
}
