import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { sameProcess, startTimeOf } from '../programs/process.ts'

/**
 * Name of a lease's holder: `{owner} {place} {pid} {start time} {random}`. A process in the same place (same boot of
 * the same kernel, same pid namespace) can see whether the holder still lives, and need not wait for the lease to
 * expire after a crash.
 */
export function createLeaseHolder(owner: string): string {
  const { pid } = process
  return [owner.replaceAll(' ', '_'), place(), pid, startTimeOf(pid) ?? '', randomBytes(6).toString('hex')].join(' ')
}

/** True only if the holder is certainly dead. */
export function leaseHolderIsDead(holder: string): boolean {
  const [, where, pid, startTime] = holder.split(' ')
  if (where === undefined || where === 'unknown' || where !== place() || !startTime) return false
  return !sameProcess(Number(pid), startTime)
}

let known: string | undefined

function place(): string {
  if (known !== undefined) return known
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    known = `${boot}/${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    known = 'unknown'
  }
  return known
}
