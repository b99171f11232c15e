import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { openService, silicon, type TestService } from '../testing/harness.ts'
import { FairCalls } from './fair-calls.ts'

describe('calls of a caller', () => {
  let test: TestService | undefined
  afterEach(() => test?.close())

  /** This many concurrent calls of one caller, none of which ends before it is told to. */
  function begin(calls: FairCalls, caller: string, count: number): { begun: number; refused: unknown[] } {
    const seen = { begun: 0, refused: [] as unknown[] }
    for (let n = 0; n < count; n++)
      void calls.enter(caller).then(
        () => (seen.begun += 1),
        (error: unknown) => seen.refused.push(error),
      )
    return seen
  }

  it('are judged sixteen at a time where nobody else calls', async () => {
    const calls = new FairCalls()
    const loud = begin(calls, 'loud', 20)
    await setImmediate()
    expect(loud).toEqual({ begun: 16, refused: [] })
    calls.leave('loud')
    await setImmediate()
    expect(loud.begun).toBe(17)
  })

  it.each(['caller', 'machine'])('are judged one after the other while another %s calls (attack W4)', async (who) => {
    const calls = new FairCalls()
    if (who === 'machine') calls.note('quiet')
    else await calls.enter('quiet')
    const loud = begin(calls, 'loud', 20)
    await setImmediate()
    expect(loud.begun).toBe(1)
    const quiet = begin(calls, 'other', 1)
    await setImmediate()
    expect(quiet.begun).toBe(1)
    for (let n = 2; n <= 20; n++) {
      calls.leave('loud')
      await setImmediate()
      expect(loud.begun).toBe(n)
    }
  })

  it('that came while nobody else called make room for another, one by one (attack W4)', async () => {
    const calls = new FairCalls()
    const loud = begin(calls, 'loud', 40)
    await calls.enter('quiet')
    await setImmediate()
    for (let n = 0; n < 15; n++) calls.leave('loud')
    await setImmediate()
    expect(loud.begun).toBe(16)
    calls.leave('loud')
    await setImmediate()
    expect(loud.begun).toBe(17)
  })

  it('wait in a queue of its own that has an end, and nobody else’s are refused for it (attack W4)', async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    const path = '/attest/SevSnpVm?api-version=2022-08-01'
    const loud = Array.from({ length: 400 }, () => test!.post(path, {}, { from: '192.0.2.1' }))
    const quiet = Array.from({ length: 20 }, () => test!.post(path, {}, { from: '192.0.2.2' }))
    for (const { status } of await Promise.all(quiet)) expect(status).toBe(400)
    const answers = await Promise.all(loud)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]!.body.error).toMatchObject({
      code: 'TooManyRequests',
      innererror: { expected: expect.stringMatching(/waiting/) },
    })
    expect(refused[0]!.headers['retry-after']).toBe('1')
    expect(answers.filter(({ status }) => status === 400).length).toBe(400 - refused.length)
    // Their places are free again.
    expect((await test.post(path, {}, { from: '192.0.2.1' })).status).toBe(400)
  })
})
