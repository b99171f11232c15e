import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { parseUserspaceLog, type UserspaceRecord } from '../../eventlog/userspace-log.ts'
import { ParseError } from '../../core/errors.ts'
import { extendAll, textDigest } from './pcr.ts'
import { parseVolumeText, verifyVolume, volumeDigest, volumeSeparator, volumeText } from './pcr15.ts'

const luksUuid = '01234567-89ab-cdef-0123-456789abcdef'
const volume = async (fill: number): Promise<string> =>
  await volumeText({ volumeKey: new Uint8Array(64).fill(fill), luksUuid })
const own = await volume(1)
const other = await volume(2)

const record = (pcr: number, digest: Uint8Array, text: string): string => {
  const content = { string: text, eventType: 'phase' }
  const digests = [{ hashAlg: 'sha256', digest: toHex(digest) }]
  return `\u001e${JSON.stringify({ pcr, digests, content_type: 'systemd', content })}\n`
}

/** A boot's log and register: what was extended into PCR 15, in order, among other programs' records. */
async function boot(texts: string[]): Promise<{ log: UserspaceRecord[]; quoted: Uint8Array }> {
  const digests = await Promise.all(texts.map(volumeDigest))
  const records = digests.map((digest, index) => record(15, digest, texts[index]!))
  const lines = [record(11, await textDigest('enter-initrd'), 'enter-initrd'), ...records]
  return { log: parseUserspaceLog(utf8(lines.join(''))), quoted: await extendAll(digests) }
}

describe('the volume that a boot opened', () => {
  it('is the one that its key says, whatever the system extends afterwards', async () => {
    const seen = await boot([own, volumeSeparator, 'machine-id:0'])
    const found = await verifyVolume({ ...seen, expected: await volumeDigest(own) })
    expect(found).toMatchObject({ cipher: 'aes-xts-plain64', keyBits: 512, sectorBytes: 4096, luksUuid })
  })

  const count = `strongroom-disk-count:1:${luksUuid}:${'0'.repeat(14)}1f`

  it('was opened as often as was measured between it and the initrd’s end', async () => {
    const seen = await boot([own, count, volumeSeparator, 'machine-id:0'])
    expect((await verifyVolume({ ...seen, expected: await volumeDigest(own) })).count).toBe(31)
    const later = await boot([own, volumeSeparator, count])
    expect((await verifyVolume({ ...later, expected: await volumeDigest(own) })).count).toBeUndefined()
  })

  it.each([
    ['the count of another volume', [own, count.replace('0123', '0124'), volumeSeparator]],
    ['two counts', [own, count, count, volumeSeparator]],
    ['another text in place of the count', [own, 'machine-id:0', volumeSeparator]],
    ['a count and no end of the initrd', [own, count]],
  ])('is refused with %s', async (_what, texts) => {
    const seen = await boot(texts)
    await expect(verifyVolume({ ...seen, expected: await volumeDigest(own) })).rejects.toMatchObject({
      code: 'VolumeMismatch',
    })
  })

  it('is refused where the log tells another count than was measured (attack D7)', async () => {
    const honest = await boot([own, count, volumeSeparator])
    const log = honest.log.map((each) => ({ ...each, text: each.text.replace('1f', '2f') }))
    await expect(verifyVolume({ log, quoted: honest.quoted, expected: await volumeDigest(own) })).rejects.toMatchObject(
      { code: 'VolumeMismatch' },
    )
  })

  it('is its form and UUID with an HMAC over both under its key', () => {
    const text = `strongroom-volume:1:aes-xts-plain64:512:4096:32768:${luksUuid}`
    const mac = createHmac('sha256', Buffer.alloc(64, 1)).update(text).digest('hex')
    expect(own).toBe(`${text}:${mac}`)
  })

  it.each([
    ['another key under the same UUID', [other, volumeSeparator]],
    ['another cipher under the same key', [own.replace('aes-xts-plain64', 'cipher_null-ecb'), volumeSeparator]],
    ["no volume, and the right digest extended after the initrd's end", [volumeSeparator, own]],
    ['another volume before the right one', [other, own]],
    ['the right volume and no end of the initrd', [own]],
    ['nothing at all', []],
  ])('is refused as replaced with %s', async (_what, texts) => {
    const seen = await boot(texts)
    await expect(verifyVolume({ ...seen, expected: await volumeDigest(own) })).rejects.toMatchObject({
      code: 'VolumeMismatch',
    })
  })

  it('is refused where the log tells another form than was measured (attack D1)', async () => {
    const honest = await boot([own, volumeSeparator])
    const log = honest.log.map((each) => ({ ...each, text: each.text.replace('4096', '512') }))
    await expect(verifyVolume({ log, quoted: honest.quoted, expected: await volumeDigest(own) })).rejects.toMatchObject(
      { code: 'VolumeMismatch' },
    )
  })

  it('is refused where the log was edited to show another register than was quoted', async () => {
    const honest = await boot([other, volumeSeparator])
    const edited = await boot([own, volumeSeparator])
    await expect(
      verifyVolume({ log: edited.log, quoted: honest.quoted, expected: await volumeDigest(own) }),
    ).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })

  it('is described by no text of another form', () => {
    fc.assert(fc.property(fc.string(), (text) => parseVolumeText(text) === undefined))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: own.length - 1 }), (at) => {
        const shorter = own.slice(0, at) + own.slice(at + 1)
        const found = parseVolumeText(shorter)
        // A number may lose a digit; everything else has a fixed length.
        if (found !== undefined) expect([at >= 20, found.luksUuid]).toEqual([true, luksUuid])
      }),
    )
  })
})

describe('the log of systemd', () => {
  it('is read in order, with what each record says', async () => {
    const digest = await textDigest('ready')
    expect(parseUserspaceLog(utf8(record(11, digest, 'ready')))).toEqual([{ pcr: 11, digest, text: 'ready' }])
    expect(parseUserspaceLog(new Uint8Array())).toEqual([])
  })

  it.each([
    ['no separator', '{"pcr":11}', 'WrongMagic'],
    ['no JSON', '\u001e{', 'InvalidEncoding'],
    ['a list', '\u001e[]', 'InvalidValue'],
    ['a register that no TPM has', '\u001e{"pcr":24,"digests":[]}', 'InvalidValue'],
    ['no digest', '\u001e{"pcr":11,"digests":[]}', 'InvalidValue'],
    [
      'two digests',
      `\u001e${JSON.stringify({ pcr: 11, digests: [0, 1].map(() => ({ hashAlg: 'sha256', digest: '00'.repeat(32) })) })}`,
      'Duplicate',
    ],
  ])('is refused with %s', (_what, text, code) => {
    expect(() => parseUserspaceLog(utf8(text))).toThrow(expect.objectContaining({ code }))
  })

  it('is read or refused with a ParseError, whatever its bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => utf8(`\u001e${text}\n`)),
        ),
        (bytes) => {
          try {
            parseUserspaceLog(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        },
      ),
    )
  })
})
