import { readdirSync, readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

/** Part of ProcessWatch: reads every process repeatedly until it gets a message; then it answers with its observations. */
const everyMs = 15
const seen = new Set<string>()
const last = new Map<string, string>()
let ended = false

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function look(): void {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const cmdline = read(`/proc/${pid}/cmdline`)
    // A process that starts another program has other arguments.
    if (cmdline === '' || last.get(pid) === cmdline) continue
    last.set(pid, cmdline)
    seen.add(`${cmdline}\n${read(`/proc/${pid}/environ`)}`)
  }
  if (ended) parentPort!.postMessage([...seen])
  else setTimeout(look, everyMs)
}

parentPort!.once('message', () => (ended = true))
look()
parentPort!.postMessage('looked')
