import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Milliseconds after the server is ready: what belongs to the start is over by then. */
const startIsOverMs = 1_500
/** How long the server is looked at before it is said to be at rest, in milliseconds. */
const lookMs = 5_000
/** Processor time in a look, in milliseconds, below which nobody is kept waiting by a collection. */
const restMs = 250
/** Processor time since the last collection, in milliseconds, from which there is something to collect. */
const workMs = 1_000

type Collect = (o: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/**
 * Gives back what the start, and later a burst of work, left behind: V8 collects under load alone, so that a server at
 * rest would hold its garbage and its pooled pages for ever (docs/design/0002-start-up.md has the measurements).
 */
export function collectAtRest(): void {
  setTimeout(() => {
    collect()
    let collectedAt = processorMs()
    let lookedAt = collectedAt
    setInterval(() => {
      const now = processorMs()
      const atRest = now - lookedAt < restMs
      lookedAt = now
      if (!atRest || now - collectedAt < workMs) return
      collect()
      collectedAt = lookedAt = processorMs()
    }, lookMs).unref()
  }, startIsOverMs).unref()
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as Collect
  setFlagsFromString('--no-expose-gc')
  // Of the flavours only this one gives the pooled pages back.
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
