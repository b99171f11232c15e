import { readFileSync } from 'node:fs'

const everyMs = 500
interface Ancestor {
  pid: string
  /** Guards against a reused pid. */
  startTime: string
}

/** Parent and start time of a process (proc_pid_stat(5)); undefined if it is gone. */
function statOf(pid: string): { parent: string; startTime: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { parent: fields[1]!, startTime: fields[19]! }
  } catch {
    return undefined
  }
}

/** The script that npm runs in a process, from its environment. */
function scriptOf(pid: string): string | undefined {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    return variables.find((each) => each.startsWith('npm_lifecycle_script='))?.replace(/^[^=]*=/, '')
  } catch {
    return undefined
  }
}

/** Whether the script waits for this program: it starts nothing in the background. */
const waitsForUs = (script: string): boolean =>
  script.includes('strongroom') && !script.replaceAll('&&', '').includes('&')

/** The processes between this one and the npm that runs it as its script, which is the last; none without npm. */
function ancestors(): Ancestor[] {
  const script = process.env['npm_lifecycle_script']
  if (script === undefined || !waitsForUs(script)) return []
  const chain: Ancestor[] = []
  let pid = String(process.pid)
  while (scriptOf(pid) === script) {
    pid = statOf(pid)?.parent ?? '0'
    const found = statOf(pid)
    if (found === undefined) break
    chain.push({ pid, startTime: found.startTime })
  }
  return chain
}

/**
 * Ends this program, as SIGTERM does, when npm or anything between the two ends: npm passes a signal to the shell that
 * it runs a command in, which does not pass it on.
 */
export function endWithNpm(): void {
  const chain = ancestors()
  if (chain.length === 0) return
  const timer = setInterval(() => {
    if (chain.every(({ pid, startTime }) => statOf(pid)?.startTime === startTime)) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, everyMs)
  timer.unref()
}
