import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Milliseconds after the server is ready: its start-up work is over by then. */
const startIsOverMs = 1_500
/** How long the server is observed before it counts as idle, in milliseconds. */
const lookMs = 5_000
/** Processor time per observation, in milliseconds, below which a collection delays nobody. */
const restMs = 250
/** Processor time since the last collection, in milliseconds, from which another one is worthwhile. */
const workMs = 1_000

type Collect = (o: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/**
 * Frees what start-up, and later bursts of work, left behind: V8 collects only under load, so an idle server would hold
 * its garbage and pooled pages forever (docs/design/0002-start-up.md has the measurements).
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
  // The only flavour that releases pooled pages.
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
