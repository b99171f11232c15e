import { describe, expect, it } from 'vitest'
import { ConcurrencyLimit } from './concurrency-limit.ts'

describe('a concurrency limit', () => {
  it('runs no more works at once than it may, and all of them in the end', async () => {
    const limit = new ConcurrencyLimit({ atOnce: 2, waiting: 100 })
    let running = 0
    let most = 0
    const work = async (index: number): Promise<number> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return index
    }
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => limit.run(() => work(index))))
    expect(results).toEqual(Array.from({ length: 20 }, (_, index) => index))
    expect(most).toBe(2)
  })

  it('hands the turn on when a work fails', async () => {
    const limit = new ConcurrencyLimit({ atOnce: 1, waiting: 10 })
    await expect(limit.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    await expect(limit.run(() => Promise.resolve(1))).resolves.toBe(1)
  })

  it('refuses when too many wait, and nothing of those that do', async () => {
    const limit = new ConcurrencyLimit({ atOnce: 1, waiting: 1, refuse: () => new RangeError('too many') })
    let end = (): void => {}
    const first = limit.run(() => new Promise<void>((resolve) => (end = resolve)))
    expect(limit.isFull).toBe(false)
    const second = limit.run(() => Promise.resolve('second'))
    expect(limit.isFull).toBe(true)
    await expect(limit.run(() => Promise.resolve())).rejects.toThrow(new RangeError('too many'))
    end()
    await expect(Promise.all([first, second])).resolves.toEqual([undefined, 'second'])
    expect(limit.isIdle).toBe(true)
  })

  it('lets more begin, or fewer, once that many may run', async () => {
    let atOnce = 1
    const limit = new ConcurrencyLimit({ atOnce: () => atOnce })
    let begun = 0
    for (let work = 0; work < 6; work++) void limit.enter().then(() => (begun += 1))
    await new Promise((resolve) => setImmediate(resolve))
    expect(begun).toBe(1)
    atOnce = 3
    limit.leave()
    await new Promise((resolve) => setImmediate(resolve))
    expect(begun).toBe(4)
    atOnce = 1
    for (const expected of [4, 4, 5]) {
      limit.leave()
      await new Promise((resolve) => setImmediate(resolve))
      expect(begun).toBe(expected)
    }
  })
})
