import { describe, expect, it } from 'vitest'
import { whileThrottled } from './throttled.ts'

const answer = (status: number, retryAfter?: string): { status: number; headers: Record<string, string> } => ({
  status,
  headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
})

describe('a call that a peer throttles', () => {
  const run = async (
    answers: ReturnType<typeof answer>[],
  ): Promise<{ status: number; sent: number; waited: number }> => {
    let [sent, waited] = [0, 0]
    const send = async (): Promise<ReturnType<typeof answer>> => answers[Math.min(sent++, answers.length - 1)]!
    const { status } = await whileThrottled(send, new AbortController().signal, async (ms) => void (waited += ms))
    return { status, sent, waited: Math.round(waited) }
  }

  it('is sent again after the time that Retry-After names', async () => {
    expect(await run([answer(429, '2'), answer(429, '1'), answer(200)])).toEqual({ status: 200, sent: 3, waited: 3000 })
  })

  it('ends with the refusal where that takes too long, in one wait or in many', async () => {
    expect(await run([answer(429, '31')])).toEqual({ status: 429, sent: 1, waited: 0 })
    expect(await run([answer(429, '10')])).toEqual({ status: 429, sent: 4, waited: 30_000 })
    const { status, waited } = await run([answer(429, '0')])
    expect([status, waited]).toEqual([429, 30_000])
  })

  it.each([answer(503, '1'), answer(429), answer(429, 'soon'), answer(200, '1')])(
    'is not where it says otherwise: %j',
    async (given) => {
      expect(await run([given])).toEqual({ status: given.status, sent: 1, waited: 0 })
    },
  )

  it('stops waiting when the client is closed', async () => {
    const closed = new AbortController()
    const ended = whileThrottled(async () => answer(429, '20'), closed.signal)
    closed.abort()
    expect((await ended).status).toBe(429)
  })
})
