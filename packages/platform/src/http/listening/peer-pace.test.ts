import { describe, expect, it } from 'vitest'
import { FairQueue } from './fair-queue.ts'
import { PeerPace } from './peer-pace.ts'

describe('a peer that begins much', () => {
  let now = 0
  const paceOf = (): PeerPace => new PeerPace(() => now)
  /** As fast as allowed; returns the waiting time of each. */
  const begin = (pace: PeerPace, peer: string, count: number): number[] =>
    Array.from({ length: count }, () => {
      const wait = pace.wait(peer)
      now += wait
      pace.began(peer)
      return wait
    })

  it('waits between its pieces while another calls, and not before it has begun many (attack W4)', () => {
    const pace = paceOf()
    pace.began('quiet')
    const waits = begin(pace, 'loud', 200)
    expect(waits.slice(0, 20)).toEqual(Array(20).fill(0))
    expect(waits.slice(22).filter((wait) => wait === 8).length).toBeGreaterThan(110)
    for (const peer of ['quiet', 'new']) expect(pace.wait(peer)).toBe(0)
  })

  it('begins no more than its share while its pieces take time (attack W4)', () => {
    const pace = paceOf()
    const end = now + 1_000
    let begun = 0
    // Each turn of the thread takes some time: catching up must not compensate for everything begun.
    for (; now < end; now += 0.5) {
      pace.began('quiet')
      if (pace.wait('loud') > 0) continue
      pace.began('loud')
      begun++
    }
    expect(begun).toBeGreaterThan(120)
    // 20 at once, and one per 8 ms, with up to 100 ms of catching up.
    expect(begun).toBeLessThanOrEqual(20 + 125 + 13)
  })

  it('has all of the thread where nobody else calls', () => {
    const pace = paceOf()
    expect(begin(pace, 'alone', 500)).toEqual(Array(500).fill(0))
    pace.began('another')
    expect(pace.wait('alone')).toBe(8)
    now += 1_001
    expect(begin(pace, 'alone', 500)).toEqual(Array(500).fill(0))
  })

  it('has its pieces back with time', () => {
    const pace = paceOf()
    begin(pace, 'loud', 20)
    pace.began('quiet')
    expect(pace.wait('loud')).toBe(8)
    now += 500
    expect(begin(pace, 'loud', 10)).toEqual(Array(10).fill(0))
    expect(begin(pace, 'loud', 60).at(-1)).toBe(8)
    // Longer than the catching-up limit.
    now += 1_000
    pace.began('quiet')
    expect(begin(pace, 'loud', 20)).toEqual(Array(20).fill(0))
  })

  it('makes up for pieces that came late, and not for a long silence', () => {
    const pace = paceOf()
    pace.began('quiet')
    begin(pace, 'loud', 60)
    now += 80
    pace.began('quiet')
    const soon = begin(pace, 'loud', 40)
    expect(soon.filter((wait) => wait === 0).length).toBeGreaterThanOrEqual(10)
    expect(soon.at(-1)).toBe(8)
    now += 900
    pace.began('quiet')
    expect(begin(pace, 'loud', 100).filter((wait) => wait === 0).length).toBeLessThan(40)
  })

  it('is told from others, however many there are', () => {
    const pace = paceOf()
    for (let n = 0; n < 5_000; n++) {
      pace.began(`peer ${n}`)
      // Too rarely to be counted again each time it was forgotten.
      if (n % 100 === 0) pace.began('loud')
    }
    expect(pace.wait('loud')).toBe(8)
    expect(pace.wait('peer 4999')).toBe(0)
  })

  it('holds up nobody else in a queue, and goes on by itself when it may (attacks W4, W6)', async () => {
    let wait = 20
    const queue = new FairQueue({ pace: { began: () => {}, wait: (peer) => (peer === 'loud' ? wait : 0) } })
    const begun: string[] = []
    const send = (peer: string): void => queue.begin(peer, () => begun.push(peer))
    for (let n = 0; n < 3; n++) send('loud')
    for (let n = 0; n < 3; n++) send('quiet')
    await expect.poll(() => begun).toEqual(['quiet', 'quiet', 'quiet'])
    send('quiet')
    await expect.poll(() => begun.length).toBe(4)
    wait = 0
    await expect.poll(() => begun).toEqual([...Array<string>(4).fill('quiet'), ...Array<string>(3).fill('loud')])
  })
})
