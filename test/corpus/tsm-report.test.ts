import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toBase64, toHex } from '@strongroom/evidence'
import { detect, parseCbor } from '@strongroom/evidence/files'
import { describe, expect, it } from 'vitest'
import { verifyFiles } from '../forged/support/doors.ts'
import { corpus, read } from './corpus.ts'

/** A Genoa host's report with its certificate table, as Linux's configfs-tsm gives them. */
const path = 'veraison-services/scheme__sevsnp__test__evidence__sevsnp-tsm-report.cbor'

describe.skipIf(!existsSync(join(corpus, path)))('a genuine report of configfs-tsm', () => {
  const members = (): Map<string, Uint8Array> => parseCbor(read(path), 'report') as unknown as Map<string, Uint8Array>

  it('names its certificates by UUIDs in the order of their text', () => {
    expect(toHex(members().get('auxblob')!.subarray(0, 16))).toBe('c0b406a4a803495297433fb6014cd0ae')
  })

  const at = new Date('2026-01-01')
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

  it('is accepted in CBOR as it is, in base64, in hexadecimal and in JSON', async () => {
    const bytes = read(path)
    const base64 = Buffer.from(bytes).toString('base64')
    const list = JSON.stringify({ evidence: [...bytes] })
    for (const form of [bytes, base64, hex(bytes), JSON.stringify({ thing: base64 }), list])
      expect(await verifyFiles({ tsm: form }, { at })).toMatchObject({ exit: 0, reason: 'accepted' })
    const { text } = await verifyFiles({ tsm: bytes }, { at })
    expect(text).toMatch(/tsm provider: a text of \d+ characters/)
  })

  it('is refused in CBOR with its report, certificates or members altered (attack E35)', async () => {
    const bytes = read(path)
    const place = (part: Uint8Array): number => Buffer.from(bytes).indexOf(part)
    const flip = (at: number): Uint8Array => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
    const report = place(members().get('outblob')!)
    const verdict = async (form: Uint8Array): Promise<[number, string]> => {
      const { exit, reason } = await verifyFiles({ tsm: form }, { at })
      return [exit, reason]
    }
    expect(await verdict(flip(report + 0x90))).toEqual([1, 'ReportSignatureInvalid snp.signature'])
    // The letter before a line’s end, in the first certificate’s PEM.
    expect((await verdict(flip(Buffer.from(bytes).indexOf('BEGIN CERT') + 200)))[0]).toBe(1)
    const more = Buffer.from([0x68, ...Buffer.from('provider'), 0x61, 0x78])
    expect(await verdict(Buffer.concat([Uint8Array.of(0xa4), bytes.subarray(1), more]))).toEqual([
      1,
      'Duplicate file.kind',
    ])
    expect((await verdict(bytes.subarray(0, -1)))[0]).toBe(2)
  })

  it('is accepted with the certificates of its table, and refused altered', async () => {
    const [outblob, auxblob] = [members().get('outblob')!, members().get('auxblob')!]
    const file = (report: Uint8Array): string =>
      JSON.stringify({ auxblob: toBase64(auxblob), outblob: toBase64(report), provider: 'sev_guest\n' })
    const kinds = detect('tsm.json', new TextEncoder().encode(file(outblob))).map(({ kind }) => kind)
    expect(kinds).toEqual(['certificates', 'certificates', 'certificates', 'snp-report', 'unused'])
    const policy = { snp: { measurements: 'any', reportData: 'any', allow: {} } }
    for (const each of [{ at }, { at, policy }])
      expect(await verifyFiles({ 'tsm.json': file(outblob) }, each)).toMatchObject({ exit: 0 })
    const altered = outblob.map((byte, index) => (index === 0x90 ? byte ^ 1 : byte))
    expect((await verifyFiles({ 'tsm.json': file(altered) }, { at })).reason).toBe(
      'ReportSignatureInvalid snp.signature',
    )
  })
})
