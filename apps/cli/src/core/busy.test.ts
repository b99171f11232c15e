import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { whileBusy } from './busy.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

async function shown(milliseconds: number, o: { terminal: boolean; says?: string }): Promise<string[]> {
  const texts: string[] = []
  const done = whileBusy({
    say: (line) => void texts.push(`${line}\n`),
    terminal: o.terminal ? { write: (text: string) => texts.push(text) } : undefined,
    work: async (now, say) => {
      now('asking the guest')
      await new Promise((end) => setTimeout(end, milliseconds))
      if (o.says !== undefined) say(o.says)
    },
  })
  await vi.advanceTimersByTimeAsync(milliseconds)
  await done
  return texts
}

describe('long work on a terminal', () => {
  it('is shown after half a second, and leaves an empty line', async () => {
    const texts = await shown(2_100, { terminal: true })
    expect(texts[0]).toContain('… asking the guest, 0 s')
    expect(texts.join('')).toContain('… asking the guest, 2 s')
    expect(texts.at(-1)).toBe('\r\u001b[2K')
  })

  it('is not shown before', async () => {
    expect(await shown(400, { terminal: true })).toEqual([])
  })

  it('makes room for notices', async () => {
    expect((await shown(600, { terminal: true, says: 'WARNING' })).slice(-2)).toEqual(['\r\u001b[2K', 'WARNING\n'])
  })

  it('is silent elsewhere', async () => {
    expect(await shown(2_100, { terminal: false, says: 'WARNING' })).toEqual(['WARNING\n'])
  })
})
