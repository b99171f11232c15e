import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { guestFirmwarePath, type BootFacts } from '@strongroom/contract'
import { replay, parseEventLog, toHex } from '@strongroom/evidence'
import {
  bootPhases,
  firmwareEvents,
  firmwareRegister,
  predictImageRegisters,
  predictPcr0,
  type FirmwareEvent,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import { guestFirmware } from '@strongroom/firmware'
import { beforeAll, describe, expect, it } from 'vitest'
import { pcr11DigestsOf } from '../../packages/evidence/src/expect/predict/pcr11.ts'
import { pcr4Digests } from '../../packages/evidence/src/expect/predict/pcr4.ts'
import { pcr7DigestsOf } from '../../packages/evidence/src/expect/predict/pcr7.ts'
import { quoteMessage, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { bootQuote, measuredBootLink } from '../../packages/trust/src/links/measured-boot-link.ts'
import type { KnownLaunch } from '../../packages/trust/src/provenance/asked.ts'
import { constant, vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'
import { verifyBootReport, type BootReport } from '@strongroom/paravisor'
import { writeEventLog, type PredictedRecord } from '../../services/host/src/simulated/predicted-log.ts'

/** Recorded of a boot of Debian's OVMF 2025.02-8+deb13u1, hardened, under QEMU 10.0 with 1, 2 and 4 processors of both models. */
const recorded = {
  flash: '1a46295574430cfb7f825ee3e4dc64b052acbef08e310377ed7c64cb757a9dc1',
  digests: [
    '8a0c71d44cbfa2202e9108e463c5dba04064e36324f1ab5e670421a59dc4272b',
    'b62d5d8fd5d382ad6fa6d9aa1fff70a33880405b12d35588b2f6a079f8dcef3b',
    '2e07051422f065a0f213a119824aea03b03a19fe2840cf2ce125e6c5943e7be3',
    'df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119',
  ],
}
const sha256 = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createHash('sha256').update(bytes).digest())
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const some = sha256(Buffer.from('some'))
const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((name) => ({ name, sha256: some }))
const measurements: ImageMeasurements = {
  image: { id: 'web-1', name: 'web', version: '13.0.20261201', source: 'import' },
  measuredAt: new Date('2026-12-01'),
  bootFile: { loader: some, sections: [{ name: '.linux', sha256: some }] },
  variables: {
    on: { variables: variables as never, authority: some },
    off: { variables: variables as never, authority: undefined },
  },
}
const tpm = new SoftwareTpm()
const nonce = new Uint8Array(randomBytes(32))
let firmware: Uint8Array
let events: FirmwareEvent[]

beforeAll(async () => {
  if (!existsSync(guestFirmwarePath)) return
  firmware = await guestFirmware()
  events = await firmwareEvents(firmware)
}, 120_000)

/** Log and registers of a boot whose firmware measured these events. */
async function bootOf(code: readonly FirmwareEvent[]): Promise<{ log: Uint8Array; pcrs: Map<number, Uint8Array> }> {
  const records: PredictedRecord[] = code.map((event) => ({ pcr: firmwareRegister, ...event }))
  const { bootFile, variables: of } = measurements
  const measured: [number, Uint8Array[]][] = [
    ...[1, 2, 3, 5, 6].map((pcr): [number, Uint8Array[]] => [pcr, [sha256(new Uint8Array(4))]]),
    [4, await pcr4Digests({ loader: bootFile.loader })],
    [7, await pcr7DigestsOf(of.on, true)],
    [11, await pcr11DigestsOf(bootFile.sections, undefined)],
  ]
  for (const [pcr, digests] of measured)
    records.push(...digests.map((digest) => ({ pcr, type: 13, data: new Uint8Array(), digest })))
  const log = writeEventLog(records)
  const pcrs = new Map(Array.from({ length: 16 }, (_, index): [number, Uint8Array] => [index, new Uint8Array(32)]))
  for (const [index, value] of await replay(parseEventLog(log), 'sha256')) pcrs.set(index, value)
  for (const phase of bootPhases) pcrs.set(11, sha256(Buffer.concat([pcrs.get(11)!, sha256(Buffer.from(phase))])))
  return { log, pcrs }
}

/** A boot of this firmware, as its TPM quotes it. */
async function reportOf(code: readonly FirmwareEvent[]): Promise<BootReport> {
  const { log, pcrs } = await bootOf(code)
  const message = quoteMessage(pcrs, { nonce })
  return { nonce, quoteMessage: message, quoteSignature: tpm.sign(message), pcrs, eventLog: log }
}

/** Events of other firmware: of this event, another digest. */
const others = (index: number): FirmwareEvent[] =>
  events.map((event, at) => (at === index ? { ...event, digest: some } : event))
const parts: [string, number][] = [
  ['version', 0],
  ['first volume', 1],
  ['volume of drivers', 2],
]

describe.skipIf(!existsSync(guestFirmwarePath))('PCR 0 of the guests’ firmware', () => {
  it('is what a boot of it measured, whatever the processors and the memory', async ({ skip }) => {
    const flash = createHash('sha256')
      .update(await readFile(guestFirmwarePath))
      .digest('hex')
    skip(flash !== recorded.flash, 'another build of OVMF is installed than the one that was booted')
    expect(events.map(({ digest }) => toHex(digest))).toEqual(recorded.digests)
  })

  describe('in the boot report', () => {
    const verify = async (report: BootReport): Promise<unknown> => {
      const registers = { ...(await predictImageRegisters({ ...measurements, secureBoot: true })) }
      registers[firmwareRegister] = await predictPcr0(events)
      const { 11: _of, ...log } = registers
      const expected = { atReady: registers, firmwareLog: log as Record<number, Uint8Array> }
      return await verifyBootReport({
        report,
        nonce,
        akPublic: tpm.akPublic(),
        expected,
        encrypted: false,
        at: new Date(),
      })
    }

    it('is accepted as predicted', async () => {
      expect(await verify(await reportOf(events))).toHaveProperty(
        'measuredBoot.pcrs.0',
        toHex(await predictPcr0(events)),
      )
    })

    it.each(parts)('is refused of firmware with another %s than was measured (attack H34)', async (_what, index) => {
      await expect(verify(await reportOf(others(index)))).rejects.toMatchObject({
        code: 'BootReportRefused',
        message: expect.stringContaining('does not replay to the predicted PCR 0.') as string,
        expected: `PCR 0 ${toHex(await predictPcr0(events))}`,
      })
    })
  })

  describe('in the trust report', () => {
    async function link(code: readonly FirmwareEvent[], launch?: KnownLaunch): Promise<Link> {
      const report = await reportOf(code)
      const pcrs = Object.fromEntries([...report.pcrs].map(([index, value]) => [index, toHex(value)]))
      const evidence = {
        tee: 'SNP',
        guestRan: false,
        vtpm: {},
        // The host's own prediction: of what it ran.
        expected: { vCPUs: 2, pcrs },
        measuredBoot: {
          nonce: base64url(nonce),
          quoteMessage: base64url(report.quoteMessage),
          quoteSignature: base64url(report.quoteSignature),
          pcrs,
          eventLog: base64url(report.eventLog),
        },
      } as unknown as BootFacts
      const quote = await bootQuote(evidence, vouch(tpm.akPublic(), 'silicon'))
      const seen = { quote, measurements: vouch(measurements, 'pinned key') }
      return await judge('measured-boot', '', async (proof) => {
        const own = { own: vouch({ name: 'own.fd', bytes: firmware }, 'verifier') }
        const asked = { secureBoot: constant(true), size: constant('Standard_DC2as_v5'), firmware: launch ?? own }
        await measuredBootLink(evidence, seen, { ...asked, proof })
      })
    }

    it('is computed from the verifier’s own copy', async () => {
      const { outcome, shows } = await link(events)
      const line = `as computed here from your copy of the firmware: PCR 0 ${toHex(await predictPcr0(events)).slice(0, 16)}…`
      expect([outcome, shows]).toEqual(['verified', expect.arrayContaining([line])])
    })

    it.each(parts)(
      'is refused of firmware with another %s, which the host predicts (attack H34)',
      async (_what, index) => {
        expect(await link(others(index))).toMatchObject({
          outcome: 'refused',
          code: 'RegisterNotPredicted',
          why: expect.stringMatching(/^PCR 0 is not what your copy .*other firmware ran than was measured/) as string,
          expected: toHex(await predictPcr0(events)),
          actual: toHex(await predictPcr0(others(index))),
        })
      },
    )

    it('is not computed without a copy, which the report says', async () => {
      const { outcome, shows, stated } = await link(events, { pinned: constant('aa') })
      expect(outcome).toBe('verified')
      expect(shows.filter((line) => line.includes('PCR 0 '))).toEqual([])
      expect(stated).toContain(
        'the firmware that ran (PCR 0): there is no copy of it here to compute the register from',
      )
    })
  })
})
