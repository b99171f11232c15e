import { describe, expect, it } from 'vitest'
import { ConcurrencyLimit } from './concurrency-limit.ts'

describe('turns', () => {
  it('runs no more works at once than it may, and all of them in the end', async () => {
    const limit = new ConcurrencyLimit(2, 100)
    let running = 0
    let most = 0
    const work = async (index: number): Promise<number> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return index
    }
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => limit.take(() => work(index))))
    expect(results).toEqual(Array.from({ length: 20 }, (_, index) => index))
    expect(most).toBe(2)
  })

  it('hands the turn on when a work fails', async () => {
    const limit = new ConcurrencyLimit(1, 10)
    await expect(limit.take(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    await expect(limit.take(() => Promise.resolve(1))).resolves.toBe(1)
  })

  it('refuses with 429 when too many wait', async () => {
    const limit = new ConcurrencyLimit(1, 1)
    let end = (): void => {}
    const first = limit.take(() => new Promise<void>((resolve) => (end = resolve)))
    const second = limit.take(() => Promise.resolve())
    await expect(limit.take(() => Promise.resolve())).rejects.toMatchObject({ status: 429, code: 'Throttled' })
    end()
    await Promise.all([first, second])
  })
})
