import { attestationApiVersions } from '@strongroom/contract'
import { afterEach, describe, expect, it } from 'vitest'
import { openService, ownerObjectId, silicon, type TestService } from '../testing/harness.ts'

describe('callers', () => {
  let test: TestService | undefined
  afterEach(() => test?.close())

  it('may attest so often and no oftener, and are told when to come back (attack Q11)', async () => {
    test = await openService({ anchors: (await silicon()).anchors, callerLimit: { requests: 3, seconds: 60 } })
    const path = '/attest/SevSnpVm?api-version=2022-08-01'
    for (let call = 0; call < 3; call++) expect((await test.post(path, {})).status).toBe(400)
    const refused = await test.post(path, {})
    expect(refused.status).toBe(429)
    expect(refused.body.error).toMatchObject({
      code: 'TooManyRequests',
      innererror: { expected: 'at most 3 in 60 seconds', remedy: expect.any(String) },
    })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await test.call('GET', '/tcbbaselines/TdxVm?api-version=2025-06-01')).status).toBe(429)
    // Clients that verify tokens are not limited.
    expect((await test.call('GET', '/certs')).status).toBe(200)
  })

  it('are counted one by one: who asks too often takes nothing of what another may ask (attack Q11)', async () => {
    test = await openService({ anchors: (await silicon()).anchors, callerLimit: { requests: 3, seconds: 60 } })
    const path = '/attest/SevSnpVm?api-version=2022-08-01'
    const [ill, well] = ['192.0.2.1', '192.0.2.2']
    const statuses = async (from: string, calls: number, o: { token?: string } = {}): Promise<number[]> => {
      const found: number[] = []
      for (let call = 0; call < calls; call++) found.push((await test!.post(path, {}, { from, ...o })).status)
      return found
    }
    expect(await statuses(ill, 50)).toEqual([400, 400, 400, ...Array<number>(47).fill(429)])
    // Neither a foreign token nor another route gives the caller more.
    expect(await statuses(ill, 2, { token: ownerObjectId })).toEqual([429, 429])
    expect(await statuses(well, 3)).toEqual([400, 400, 400])
    expect(await statuses(well, 1)).toEqual([429])
  })

  it('may speak every version of the wire', async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    for (const version of attestationApiVersions) {
      const answer = await test.post(`/attest/TdxVm?api-version=${version}`, {})
      expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'quote' })
    }
    expect(attestationApiVersions).toContain('2026-03-11-preview')
  })
})
