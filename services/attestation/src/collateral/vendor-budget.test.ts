import { toBase64Url } from '@strongroom/evidence'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestGuest, guestBody, guestPath, testAuthority } from '../testing/guest.ts'
import { tpmIsThere } from '../testing/guest-tpm.ts'
import {
  chainPem,
  firmwareIsThere,
  newSilicon,
  openService,
  runtimeBytes,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type TestService,
} from '../testing/harness.ts'
import { fmspcOf, quoteOf, serveVendors, startVendorServer, type VendorServer } from '../testing/vendor-server.ts'

const snpPath = '/attest/SevSnpVm?api-version=2022-08-01'
const tdxPath = '/attest/TdxVm?api-version=2022-08-01'
/** Of CHIP_ID in a report (SEV-SNP firmware ABI, table 23). */
const chipIdAt = 0x1a0
const [ill, well] = ['192.0.2.1', '192.0.2.2']
const platform = '55555555-5555-4555-8555-555555555555'

describe.skipIf(!firmwareIsThere)('a caller who has the vendors asked', () => {
  let report: Uint8Array
  let vendors: VendorServer
  let test: TestService

  beforeAll(async () => {
    report = await snpReport()
  })
  beforeEach(async () => {
    vendors = await startVendorServer()
    await serveVendors(vendors, await silicon(), fmspcOf(await quoteOf(await silicon())))
    test = await openService({
      anchors: (await silicon()).anchors,
      endpoints: vendors.endpoints,
      platformCallers: [platform],
    })
    test.clock.set(new Date())
  })
  afterEach(async () => {
    await test.close()
    await vendors.close()
  })

  const pass = (ms: number): void => test.clock.set(new Date(test.clock.now().getTime() + ms))
  const ofChip = (n: number): Uint8Array => {
    const made = Uint8Array.from(report)
    new DataView(made.buffer).setUint32(chipIdAt, n)
    return made
  }
  /** Reports of nonexistent chips, one after the other. */
  const makeUp = async (from: number, count: number, o: { from?: string; token?: string }): Promise<Answer[]> => {
    const answers: Answer[] = []
    for (let n = from; n < from + count; n++) answers.push(await test.post(snpPath, snpBody(ofChip(n)), o))
    return answers
  }
  const chipsAsked = (): string[] => vendors.asked.filter((path) => path.includes('blSPL='))

  it('by made-up chips has it so often and no oftener, and takes nothing of what others may ask (attack Q11)', async () => {
    const answers = await makeUp(0, 120, { from: ill })
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 429]))
    const refused = answers.at(-1)!
    expect(refused.body.error.code).toBe('TooManyRequests')
    expect(refused.body.error.innererror.remedy).toContain('certificates')
    expect(chipsAsked().length).toBeLessThanOrEqual(16)
    const asked = vendors.asked.length
    expect((await test.post(snpPath, snpBody(report), { from: well })).status).toBe(200)
    expect(vendors.asked.length).toBeGreaterThan(asked)
    // Stored items cause no request, and neither does evidence that comes with its own.
    expect((await test.post(snpPath, snpBody(report), { from: ill })).status).toBe(200)
    const pem = await chainPem()
    expect((await test.post(snpPath, snpBody(report, { pem }), { from: ill })).status).toBe(200)
    const seconds = Number(refused.headers['retry-after'])
    expect(seconds).toBeGreaterThan(0)
    pass(seconds * 1000)
    const again = await makeUp(1000, 3, { from: ill })
    expect(again.map(({ status }) => status)).toEqual([400, 429, 429])
  })

  it('many at a time is counted for each, also where they fail (attack Q11)', async () => {
    vendors.fails = 500
    const bodies = Array.from({ length: 100 }, (_, n) => snpBody(ofChip(n)))
    const answers = await Promise.all(bodies.map(async (body) => await test.post(snpPath, body, { from: ill })))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([429, 503]))
    expect(vendors.asked.length).toBeLessThanOrEqual(16)
    // The platform identifies itself: hosts boot many guests.
    const hosts = await makeUp(500, 40, { from: ill, token: platform })
    expect(new Set(hosts.map(({ status }) => status))).toEqual(new Set([503]))
  })

  it('by a platform that Intel has not certified has nobody asked (attack Q11)', async () => {
    const quote = await quoteOf(await newSilicon())
    const answer = await test.post(tdxPath, {
      quote: toBase64Url(quote),
      runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
    })
    expect([answer.status, answer.body.error.details[0].code]).toEqual([400, 'UntrustedRoot'])
    expect(vendors.asked).toEqual([])
    expect(test.collateral.asked).toEqual([])
  })

  it.skipIf(!tpmIsThere)(
    'by way of a guest’s statements is counted alike (attack Q11)',
    async () => {
      const authority = await testAuthority()
      const guests = await openService({
        anchors: (await silicon()).anchors,
        endpoints: vendors.endpoints,
        attestationKeyAuthorities: [authority.caPem],
      })
      const guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
      try {
        const parts = await guest.parts()
        const statuses: number[] = []
        for (let n = 0; n < 40; n++) {
          const isolation = {
            Type: 'SevSnp',
            Evidence: { Proof: snpBody(ofChip(n))['report'], RunTimeData: toBase64Url(runtimeBytes) },
          }
          statuses.push((await guests.post(guestPath, guestBody({ ...parts, isolation }), { from: ill })).status)
        }
        expect(statuses.slice(-20)).toEqual(Array(20).fill(429))
        expect(chipsAsked().length).toBeLessThanOrEqual(16)
      } finally {
        await guest.close()
        await guests.close()
        await authority.remove()
      }
    },
    120_000,
  )
})
