import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** Time as an argument, so that expiry can be tested. */
export interface Clock {
  now(): Date
  /** Elapsed time, unaffected by changes of the wall clock; absent if only `now` is available. */
  elapsed?(): Elapsed
}

export interface Elapsed {
  /** Readings of one era count from the same moment: a boot of the machine, in any process. */
  era: string
  milliseconds: number
}

let era: string | undefined

export const systemClock: Clock = {
  now: () => new Date(),
  elapsed: () => ({
    // random(4): recreated at each boot. Containers without it have one era per process.
    era: (era ??= bootId() ?? `process ${process.pid} ${Date.now()}`),
    milliseconds: Math.round(uptime() * 1000),
  }),
}

function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return undefined
  }
}
