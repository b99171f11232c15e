import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QuoteChallenges } from './quote-challenges.ts'
import { TestEndpoints } from '../testing/test-endpoints.ts'

const nonce = Buffer.alloc(32, 7).toString('base64url')
const quote = { quoteMessage: 'AAAA', quoteSignature: 'BBBB', pcrs: { 15: 'ab'.repeat(32) }, userspaceLog: 'CCCC' }
const silent = expect.objectContaining({
  code: 'GuestDidNotAnswer',
  message: 'The guest did not answer within 2 s.',
}) as Error

describe('a challenge to the guest', () => {
  it('is given to the agent that waits, whose answer goes to whoever asked', async () => {
    const challenges = new QuoteChallenges()
    const waiting = challenges.next()
    const asked = challenges.ask({ nonce })
    const { id, ...handed } = (await waiting)!
    expect(handed).toEqual({ nonce })
    challenges.answer(id, quote)
    expect(await asked).toEqual(quote)
    expect(() => challenges.answer(id, quote)).toThrow(expect.objectContaining({ code: 'ChallengeNotFound' }))
  })

  it('is one of several, each answered by its id and given out once', async () => {
    const challenges = new QuoteChallenges()
    const asked = [nonce, nonce.replace('B', 'C')].map(async (each) => await challenges.ask({ nonce: each }))
    const [first, second] = [await challenges.next(), await challenges.next()]
    expect([first?.nonce, second?.nonce]).toEqual([nonce, nonce.replace('B', 'C')])
    challenges.answer(second!.id, { ...quote, quoteMessage: 'second' })
    challenges.answer(first!.id, quote)
    expect((await Promise.all(asked)).map(({ quoteMessage }) => quoteMessage)).toEqual(['AAAA', 'second'])
  })

  it('ends after 2 s without an answer, fetched or not (attack H27)', async () => {
    const challenges = new QuoteChallenges()
    const began = performance.now()
    const asked = Promise.all([
      expect(challenges.ask({ nonce })).rejects.toThrow(silent),
      expect(challenges.ask({ nonce })).rejects.toThrow(silent),
    ])
    const { id } = (await challenges.next())!
    await asked
    expect(performance.now() - began).toBeGreaterThan(1900)
    expect(() => challenges.answer(id, quote)).toThrow(expect.objectContaining({ code: 'ChallengeNotFound' }))
  })

  it('ends with the guest, and none is given to a guest that has ended', async () => {
    const challenges = new QuoteChallenges()
    const asked = expect(challenges.ask({ nonce })).rejects.toThrow(silent)
    const began = performance.now()
    challenges.close()
    await asked
    expect(performance.now() - began).toBeLessThan(1000)
    await expect(challenges.ask({ nonce })).rejects.toThrow(silent)
    expect(await challenges.next()).toBeUndefined()
  })

  it('is one of at most 16 at a time', async () => {
    const challenges = new QuoteChallenges()
    const waiting = Array.from({ length: 16 }, async () => await challenges.ask({ nonce }).catch(() => {}))
    await expect(challenges.ask({ nonce })).rejects.toMatchObject({ code: 'TooManyRequests' })
    challenges.close()
    await Promise.all(waiting)
  })
})

describe('the endpoint', () => {
  let endpoints: TestEndpoints
  beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
  afterAll(async () => await endpoints.close())
  const path = '/metadata/strongroom/challenges'
  const headers = { 'content-type': 'application/json' }

  it('gives a guest the challenge that waits for it, and takes its answer', async () => {
    const asked = endpoints.commands.challenges.ask({ nonce })
    const { text } = await endpoints.send({ path: `${path}/next` })
    const told = Object.fromEntries(
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ') as [string, string]),
    )
    expect(Object.keys(told)).toEqual(['id', 'nonce'])
    expect(Buffer.from(told['nonce']!, 'base64')).toEqual(Buffer.alloc(32, 7))
    const id = Buffer.from(told['id']!, 'base64').toString()
    const answer = async (body: unknown): Promise<number> =>
      (await endpoints.send({ method: 'POST', path: `${path}/${id}`, headers, body: JSON.stringify(body) })).status
    for (const wrong of [{}, { ...quote, quoteMessage: '' }, { ...quote, pcrs: { 24: 'a' } }, { ...quote, more: 1 }])
      expect(await answer(wrong), JSON.stringify(wrong)).toBe(400)
    expect(await answer(quote)).toBe(200)
    expect(await asked).toEqual(quote)
    expect(await answer(quote)).toBe(404)
  })
})
