import { setImmediate as whenTurnEnds } from 'node:timers'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { FairQueue } from './fair-queue.ts'

/** Blocks the thread for longer than a turn has for everything that arrived at once. */
function work(): void {
  const end = performance.now() + 1.5
  while (performance.now() < end);
}

describe('turns', () => {
  it('begin at once what comes alone', () => {
    const queue = new FairQueue()
    let begun = false
    queue.begin('a', () => (begun = true))
    expect(begun).toBe(true)
  })

  it('have one long piece each, however much one peer sends at once (attack W4)', async () => {
    const queue = new FairQueue()
    let begun = 0
    for (let n = 0; n < 20; n++)
      queue.begin('loud', () => {
        begun++
        work()
      })
    expect(begun).toBe(1)
    for (let turn = 1; turn < 20; turn++) {
      await setImmediate()
      expect(begun).toBe(turn + 1)
    }
  })

  it('take another peer between two pieces of one that sends much (attack W4)', async () => {
    const queue = new FairQueue()
    const order: string[] = []
    const send = (peer: string): void =>
      queue.begin(peer, () => {
        order.push(peer)
        work()
      })
    for (let n = 0; n < 50; n++) send('loud')
    await setImmediate()
    for (let n = 0; n < 3; n++) send('quiet')
    while (order.length < 53) await setImmediate()
    const places = order.flatMap((peer, index) => (peer === 'quiet' ? [index] : []))
    expect(Math.max(...places)).toBeLessThanOrEqual(8)
  })

  it('take who came first and who came last of a long queue, so that nobody waits for a flood before it (attack W6)', async () => {
    const queue = new FairQueue({ fromBothEnds: true })
    let done = false
    let flood = 0
    const send = (begun: () => void): void =>
      queue.begin('same', () => {
        begun()
        work()
      })
    const first: number[] = []
    for (let n = 0; n < 100; n++)
      send(() => {
        flood++
        if (n < 20) first.push(flood)
      })
    await setImmediate()
    const before = flood
    send(() => (done = true))
    for (let turn = 0; turn < 3; turn++) await setImmediate()
    expect(done).toBe(true)
    expect(flood).toBeLessThanOrEqual(before + 2)
    while (flood < 100) await setImmediate()
    expect(Math.max(...first)).toBeLessThanOrEqual(40)
  })

  it('keep the order of each peer', async () => {
    const queue = new FairQueue()
    const order: string[] = []
    const sent = Array.from({ length: 60 }, (_, n) => `${n % 3} ${n}`)
    for (const name of sent)
      queue.begin(name[0]!, () => {
        order.push(name)
        if (order.length % 5 === 0) work()
      })
    while (order.length < sent.length) await setImmediate()
    for (const peer of ['0', '1', '2'])
      expect(order.filter((name) => name.startsWith(peer))).toEqual(sent.filter((name) => name.startsWith(peer)))
  })

  it('count what the promises of a piece take (attack W4)', async () => {
    const queue = new FairQueue()
    let done = 0
    const piece = async (): Promise<void> => {
      await Promise.resolve()
      work()
      done++
    }
    // Each in a separate callback, like data from sockets.
    for (let n = 0; n < 10; n++) whenTurnEnds(() => queue.begin('loud', () => void piece()))
    for (let turn = 1; turn < 10; turn++) {
      await setImmediate()
      expect(done).toBe(turn)
    }
  })

  it('give way to what is more urgent, though not for ever', async () => {
    const queue = new FairQueue()
    const begun: number[] = []
    const started = performance.now()
    queue.giveWay()
    for (let n = 0; n < 3; n++)
      queue.begin('a', () => {
        work()
        begun.push(performance.now())
      })
    expect(begun).toEqual([])
    while (begun.length < 3) {
      await setImmediate()
      queue.giveWay()
    }
    for (const [index, at] of begun.entries()) expect(at - (begun[index - 1] ?? started)).toBeGreaterThanOrEqual(4)
  })

  it('are not taken by what nobody waits for any more', async () => {
    const queue = new FairQueue()
    const begun: number[] = []
    let isWanted = true
    for (let n = 0; n < 100; n++)
      queue.begin(
        'a',
        () => {
          begun.push(n)
          work()
        },
        () => isWanted || n === 99,
      )
    await setImmediate()
    expect(begun).toEqual([0, 1])
    isWanted = false
    await setImmediate()
    expect(begun).toEqual([0, 1, 99])
  })

  it('take many short pieces in one turn', async () => {
    const queue = new FairQueue()
    let begun = 0
    queue.begin('a', work)
    for (let n = 0; n < 8; n++) queue.begin('a', () => begun++)
    expect(begun).toBe(0)
    for (let turn = 0; turn < 3; turn++) await setImmediate()
    expect(begun).toBe(8)
  })
})
