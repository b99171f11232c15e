import type { Duplex } from 'node:stream'

/** Pipes each into the other, to its end; if one breaks off, the other is destroyed. */
export function joinStreams(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    // A stream read to its end is complete: the other still has to pass it on.
    from.once('close', () => {
      if (!from.readableEnded) to.destroy()
    })
    from.pipe(to)
  }
}
