import { createSealer, ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import type { Provider } from '../providers/providers.ts'
import { Challenges, type Challenge } from './challenges.ts'

let now = new Date('2026-01-01T00:00:00Z')
const clock = { now: () => now }
const sealer = createSealer(new Uint8Array(32))
const challenges = new Challenges({ sealer, clock })
const provider = (host: string): Provider => ({ host }) as Provider
const one = provider('one.weu.attest.strongroom.internal')
const check = async (challenge: Challenge, at = one, by = challenges): Promise<unknown> => {
  const error: unknown = await by.check(at, challenge).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error === undefined) return 'in force'
  if (!(error instanceof ServiceError)) throw error
  expect([error.status, error.code, error.target]).toEqual([400, 'InvalidParameter', 'challenge'])
  return error.details?.[0]?.code
}
const later = (ms: number): void => void (now = new Date(now.getTime() + ms))

describe('a challenge', () => {
  it('is 32 bytes that nobody can guess, in force for five minutes to the millisecond', async () => {
    const [first, second] = [await challenges.issue(one), await challenges.issue(one)]
    expect([first.challenge.length, Buffer.from(first.challenge).equals(second.challenge)]).toEqual([32, false])
    expect(new Set(first.challenge).size).toBeGreaterThan(8)
    expect([await check(first), await check(second)]).toEqual(['in force', 'in force'])
    later(5 * 60_000 - 1)
    expect(await check(first)).toBe('in force')
    later(1)
    expect(await check(first)).toBe('ChallengeExpired')
    expect((await challenges.check(one, first).catch((error: ServiceError) => error.found)) as string).toBe(
      'one that expired at 2026-01-01T00:05:00.000Z',
    )
  })

  it('is that of its context, whole', async () => {
    const [first, second] = [await challenges.issue(one), await challenges.issue(one)]
    const changed = Uint8Array.from(first.challenge)
    changed[31]! ^= 1
    for (const challenge of [
      second.challenge,
      changed,
      first.challenge.subarray(0, 31),
      new Uint8Array(),
      Uint8Array.of(...first.challenge, 0),
    ])
      expect(await check({ ...first, challenge })).toBe('ChallengeUnknown')
  })

  it('is of the provider that issued it, under the service’s own key', async () => {
    const issued = await challenges.issue(one)
    expect(await check(issued, provider('two.weu.attest.strongroom.internal'))).toBe('ChallengeUnknown')
    const strange = new Challenges({ sealer: createSealer(new Uint8Array(32).fill(1)), clock })
    expect(await check(issued, one, strange)).toBe('ChallengeUnknown')
    for (const context of [
      new Uint8Array(),
      issued.context.subarray(1),
      Uint8Array.from(issued.context, (byte, at) => (at === 30 ? byte ^ 1 : byte)),
    ])
      expect(await check({ ...issued, context })).toBe('ChallengeUnknown')
  })

  it('is no unknown one where the sealer fails otherwise', async () => {
    const broken = { ...sealer, open: () => Promise.reject(new Error('no key')) } as typeof sealer
    await expect(new Challenges({ sealer: broken, clock }).check(one, await challenges.issue(one))).rejects.toThrow(
      'no key',
    )
  })
})
