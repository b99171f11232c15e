import { readFileSync } from 'node:fs'

/**
 * When a process started, in clock ticks since boot (/proc/PID/stat, field 22; proc(5)), as text; undefined if there is
 * none. Together with a pid it identifies one process while the machine runs: pids are reused.
 */
export function startTimeOf(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  // A zombie has ended; only its parent has not collected it yet.
  return state === 'Z' || state === 'X' ? undefined : fields[19]
}

/** True while exactly the recorded process still runs. */
export function sameProcess(pid: number, startTime: string): boolean {
  return startTimeOf(pid) === startTime
}
