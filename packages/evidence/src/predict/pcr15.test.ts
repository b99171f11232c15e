import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../bytes/bytes.ts'
import { toHex } from '../bytes/hex.ts'
import { parseUserspaceLog, type UserspaceRecord } from '../eventlog/userspace-log.ts'
import { ParseError } from '../result/errors.ts'
import { extendAll, textDigest } from './pcr.ts'
import { verifyVolume, volumeDigest, volumeSeparator } from './pcr15.ts'

const record = (pcr: number, digest: Uint8Array, text = ''): string =>
  `\u001e${JSON.stringify({ pcr, digests: [{ hashAlg: 'sha256', digest: toHex(digest) }], content_type: 'systemd', content: { string: text, eventType: 'phase' } })}\n`

const luksUuid = '01234567-89ab-cdef-0123-456789abcdef'
const volume = (fill: number): Promise<Uint8Array> =>
  volumeDigest({ volumeKey: new Uint8Array(64).fill(fill), name: 'root', luksUuid })

/** A boot's log and register: the records are other programs' and PCR 15's in the order given. */
async function boot(digests: Uint8Array[]): Promise<{ log: UserspaceRecord[]; quoted: Uint8Array }> {
  const texts = [record(11, await textDigest('enter-initrd')), ...digests.map((digest) => record(15, digest))]
  return { log: parseUserspaceLog(utf8(texts.join(''))), quoted: await extendAll(digests) }
}

describe('the volume that a boot opened', () => {
  it('is the one that its key says, whatever the system extends afterwards', async () => {
    const own = await volume(1)
    const seen = await boot([own, await textDigest(volumeSeparator), await textDigest('machine-id:0')])
    await expect(verifyVolume({ ...seen, expected: own })).resolves.toBeUndefined()
  })

  it('is HMAC-SHA-256 of its name and UUID under the volume key, as systemd 257 computes it', async () => {
    // Computed with OpenSSL: printf cryptsetup:root:UUID | openssl dgst -sha256 -mac HMAC -macopt hexkey:01…01
    expect(toHex(await volume(1))).toBe('322b46bf86da5dcb4af342ae286adae2f1581f19f09b9e3d7f96ecf25685d376')
  })

  it.each([
    ['another key under the same UUID', async () => [await volume(2), await textDigest(volumeSeparator)]],
    [
      "no volume, and the right digest extended after the initrd's end",
      async () => [await textDigest(volumeSeparator), await volume(1)],
    ],
    ['another volume before the right one', async () => [await volume(2), await volume(1)]],
    ['the right volume and no end of the initrd', async () => [await volume(1)]],
    ['nothing at all', async () => []],
  ])('is refused as replaced with %s', async (_what, digests) => {
    const seen = await boot(await digests())
    await expect(verifyVolume({ ...seen, expected: await volume(1) })).rejects.toMatchObject({ code: 'VolumeMismatch' })
  })

  it('is refused where the log was edited to show another register than was quoted', async () => {
    const own = await volume(1)
    const honest = await boot([await volume(2), await textDigest(volumeSeparator)])
    const edited = await boot([own, await textDigest(volumeSeparator)])
    await expect(verifyVolume({ log: edited.log, quoted: honest.quoted, expected: own })).rejects.toMatchObject({
      code: 'EventLogMismatch',
    })
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
