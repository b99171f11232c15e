import type { Duplex } from 'node:stream'

/** What comes from one goes to the other, to its end; where one breaks off, the other is destroyed. */
export function joinStreams(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy())
    // One that was read to its end has said all: the other has yet to pass it on.
    from.once('close', () => {
      if (!from.readableEnded) to.destroy()
    })
    from.pipe(to)
  }
}
