import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Milliseconds after the server is ready: what belongs to the start is over by then. */
const settleAfterMs = 1_500

type Collect = (o: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/**
 * Gives back what only the start needed: loading some thousand modules leaves garbage and pooled pages that V8 would return
 * with the first load only, so that an idle server would hold them for ever (docs/design/0002-start-up.md has the measurements).
 */
export function settleAfterStart(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as Collect
    setFlagsFromString('--no-expose-gc')
    // Of the flavours only this one gives the pooled pages back.
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  }, settleAfterMs).unref()
}
