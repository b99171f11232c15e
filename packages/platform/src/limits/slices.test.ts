import { describe, expect, it } from 'vitest'
import { nextSlice } from './slices.ts'

function work(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('slices of evaluations', () => {
  it('leave everybody else as long as each of them took (attack W22)', async () => {
    const slices: { began: number; ended: number }[] = []
    const evaluate = async (): Promise<void> => {
      for (let slice = 0; slice < 2; slice++) {
        await nextSlice()
        const began = performance.now()
        work(20)
        slices.push({ began, ended: performance.now() })
      }
    }
    await Promise.all([evaluate(), evaluate()])
    // A timer may fire a millisecond early.
    for (const [index, { began }] of slices.slice(1).entries()) expect(began - slices[index]!.ended).toBeGreaterThan(18)
    expect(slices).toHaveLength(4)
  })

  it('do not wait for an evaluation that waits for something else', async () => {
    await nextSlice()
    const other = new Promise((resolve) => setTimeout(resolve, 5_000).unref())
    await Promise.race([nextSlice(), other.then(() => Promise.reject(new Error('waited')))])
  })
})
