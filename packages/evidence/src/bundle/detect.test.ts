import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, toBase64Url } from '../core/bytes/base64.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { detect } from './detect.ts'
import { explain } from './explain/explain.ts'
import { judge } from './judge.ts'

/** Only the marks of a report: detection looks no further. */
function reportLike(): Uint8Array {
  const bytes = new Uint8Array(1184)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 3, true)
  view.setUint32(8, 0x30000, true)
  view.setUint32(0x34, 1, true)
  return bytes
}

const kinds = (bytes: Uint8Array | string): string[] =>
  detect('', typeof bytes === 'string' ? utf8(bytes) : bytes).map(({ kind }) => kind)

describe('detection', () => {
  it('finds a report in every clothing: bytes, hexadecimal, base64, base64url, lists of numbers, JSON in base64', () => {
    const report = reportLike()
    const json = JSON.stringify({ evidence: { report: toBase64(report) } })
    for (const dress of [
      report,
      toHex(report),
      `0x${toHex(report)}\n`,
      toBase64(report),
      toBase64Url(report),
      (toBase64(report).match(/.{1,64}/g) ?? []).join('\n'),
      json,
      JSON.stringify({ report: [...report] }),
      toBase64(utf8(json)),
    ]) {
      expect(kinds(dress)).toEqual(['snp-report'])
    }
  })

  it('calls a damaged report a report, so that it is refused and not passed over', async () => {
    const cut = reportLike().slice(0, 700)
    expect(kinds(cut)).toEqual(['snp-report'])
    const judgement = await judge({
      pieces: detect('r', cut),
      anchors: { simulated: false, amd: [], intel: [] },
      at: new Date(),
    })
    expect(judgement).toMatchObject({ verdict: 'refused', code: 'WrongLength' })
  })

  it('says of keys that come inside other evidence that they do, so that no token vouches for itself', () => {
    const keys = [{ kty: 'RSA', kid: 'x', n: 'AQ', e: 'AQAB' }]
    expect(detect('', utf8(JSON.stringify({ keys })))).toMatchObject([{ kind: 'jwks', nested: false }])
    expect(detect('', utf8(JSON.stringify({ attestation: { jwks: { keys } } })))).toMatchObject([
      { kind: 'jwks', nested: true },
    ])
  })

  it('keeps what Intel signed as it was written', () => {
    const text = '{"tcbInfo":{ "id" : "TDX" },"signature":"00"}'
    expect(detect('', utf8(text))).toMatchObject([{ kind: 'tcb-info', text }])
    const apart = JSON.stringify({ tcb_info: '{ "id" : "TDX" }', tcb_info_signature: '00' })
    expect(detect('', utf8(apart))).toMatchObject([{ kind: 'tcb-info', text }])
  })

  it('knows what it does not know: nothing, text, an empty file', () => {
    for (const bytes of ['', 'hello', '{}', '[1,2,3]', '-----BEGIN CERTIFICATE-----', new Uint8Array(100)]) {
      expect(kinds(bytes)).toEqual(['unknown'])
    }
  })

  it('never throws, nor does explanation, and nothing made up is ever accepted', async () => {
    const texts = fc.string({
      unit: fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        '"',
        ':',
        ',',
        'eyJ',
        '.',
        '-----BEGIN ',
        'keys',
        '1',
        'A',
        '\\',
        '\u0000',
      ),
    })
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 2048 }),
      texts.map(utf8),
      fc.json({ maxDepth: 4 }).map(utf8),
      fc
        .tuple(fc.constantFrom(0, 4, 8, 48, 52, 200), fc.nat(255))
        .map(([at, value]) => reportLike().map((byte, index) => (index === at ? value : byte))),
    )
    const anchors = { simulated: false, amd: [{ name: 'x', spkiSha256: '00'.repeat(32) }], intel: [] }
    await fc.assert(
      fc.asyncProperty(inputs, async (bytes) => {
        const pieces = detect('file', bytes)
        expect(pieces.length).toBeGreaterThan(0)
        for (const piece of pieces) explain(piece)
        const judgement = await judge({ pieces, anchors, at: new Date('2025-01-01T00:00:00Z') })
        expect(judgement.verdict).not.toBe('accepted')
      }),
      { numRuns: 300 },
    )
  })

  it('does not follow nesting without end', () => {
    const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`
    expect(kinds(deep)).toEqual(['unreadable'])
    let text = toBase64(reportLike())
    for (let index = 0; index < 8; index++) text = toBase64(utf8(text))
    expect(kinds(text)).toEqual(['unknown'])
  })
})
