import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import {
  buildSnpIdAuthentication,
  buildSnpIdBlock,
  parseSnpIdAuthentication,
  parseSnpIdBlock,
  snpKeyDigest,
  type SnpOwner,
  snpOwnerKey,
  verifySnpIdBlock,
} from './id-block.ts'
import type { SnpReport } from './report.ts'

async function owner(namedCurve = 'P-384'): Promise<SnpOwner> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, [
    'sign',
    'verify',
  ])
  return {
    spki: new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)),
    sign: async (data) =>
      new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, privateKey, Uint8Array.from(data))),
  }
}

const launchDigest = new Uint8Array(48).fill(7)
const policy = 0x3001fn
const block = buildSnpIdBlock({ launchDigest, policy, guestSvn: 3, familyId: new Uint8Array(16).fill(1) })
let idKey: SnpOwner
let author: SnpOwner
let authentication: Uint8Array
/** The report fields that an ID block covers. */
let report: SnpReport

beforeAll(async () => {
  ;[idKey, author] = await Promise.all([owner(), owner()])
  authentication = await buildSnpIdAuthentication({ block, idKey, author })
  report = {
    measurement: launchDigest,
    familyId: new Uint8Array(16).fill(1),
    imageId: new Uint8Array(16),
    guestSvn: 3,
    policy: { raw: policy },
    idKeyDigest: await snpKeyDigest(snpOwnerKey(idKey.spki)),
    authorKeyDigest: await snpKeyDigest(snpOwnerKey(author.spki)),
    authorKeyEnabled: true,
  } as SnpReport
})

describe('an ID block', () => {
  it('that its keys signed is the one that the guest was started with', async () => {
    const verified = await verifySnpIdBlock({ block, authentication, report })
    expect(verified.block).toMatchObject({ launchDigest, policy, guestSvn: 3 })
    expect(toHex(verified.idKeyDigest)).toBe(toHex(report.idKeyDigest))
    expect(toHex(verified.authorKeyDigest!)).toBe(toHex(report.authorKeyDigest))
  })

  it('without an author needs a report without one', async () => {
    const alone = await buildSnpIdAuthentication({ block, idKey })
    expect(parseSnpIdAuthentication(alone).author).toBeUndefined()
    await expect(verifySnpIdBlock({ block, authentication: alone, report })).rejects.toMatchObject({
      code: 'BindingMismatch',
    })
    const without = { ...report, authorKeyDigest: new Uint8Array(48), authorKeyEnabled: false }
    expect((await verifySnpIdBlock({ block, authentication: alone, report: without })).authorKeyDigest).toBeUndefined()
    // The report of a guest with an author says so in its flags as well.
    await expect(
      verifySnpIdBlock({ block, authentication: alone, report: { ...without, authorKeyEnabled: true } }),
    ).rejects.toMatchObject({ code: 'BindingMismatch', expected: 'false', found: 'true' })
    // A key signed by the author is not an author key (attack S12).
    await expect(verifySnpIdBlock({ block, authentication, report: without })).rejects.toMatchObject({
      code: 'BindingMismatch',
    })
  })

  it.each<[field: string, other: object, expected: string, found: string]>([
    ['measurement', { measurement: new Uint8Array(48) }, '07'.repeat(48), '00'.repeat(48)],
    ['family id', { familyId: new Uint8Array(16) }, '01'.repeat(16), '00'.repeat(16)],
    ['image id', { imageId: new Uint8Array(16).fill(9) }, '00'.repeat(16), '09'.repeat(16)],
    ['guest SVN', { guestSvn: 2 }, '3', '2'],
    ['policy', { policy: { raw: 0xb0000n } }, '0x3001f', '0xb0000'],
    ['author key', { authorKeyEnabled: false }, 'true', 'false'],
  ])('of another %s than the report’s is refused', async (field, other, expected, found) => {
    const changed = { ...report, ...other } as SnpReport
    await expect(verifySnpIdBlock({ block, authentication, report: changed })).rejects.toMatchObject({
      code: 'BindingMismatch',
      message: expect.stringContaining(`: ${field} differs`) as string,
      expected,
      found,
    })
  })

  it.each([
    ['digest of the ID key', { idKeyDigest: new Uint8Array(48) }],
    ['digest of the author key', { authorKeyDigest: new Uint8Array(48).fill(1) }],
  ])('of another %s than the report’s is refused', async (field, other) => {
    const changed = { ...report, ...other } as SnpReport
    await expect(verifySnpIdBlock({ block, authentication, report: changed })).rejects.toMatchObject({
      code: 'BindingMismatch',
      message: expect.stringContaining(`: ${field} differs`) as string,
    })
  })

  it('with any byte changed is refused', async () => {
    for (let at = 0; at < block.length; at++) {
      const changed = Uint8Array.from(block)
      changed[at]! ^= 1
      await expect(verifySnpIdBlock({ block: changed, authentication })).rejects.toMatchObject({
        code: expect.stringMatching(/^(IdBlockSignatureInvalid|UnknownVersion)$/) as string,
      })
    }
  })

  it('under an authentication with any bit changed is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4095), fc.nat(7), async (at, bit) => {
        const changed = Uint8Array.from(authentication)
        changed[at]! ^= 1 << bit
        await expect(verifySnpIdBlock({ block, authentication: changed, report })).rejects.toThrow()
      }),
      { numRuns: 300 },
    )
  })

  it('is read as it was written, and nothing else is read', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 48, maxLength: 48 }),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.nat(),
        (digest, p, svn) => {
          const parsed = parseSnpIdBlock(buildSnpIdBlock({ launchDigest: digest, policy: p, guestSvn: svn }))
          expect([toHex(parsed.launchDigest), parsed.policy, parsed.guestSvn]).toEqual([toHex(digest), p, svn])
        },
      ),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const parse of [parseSnpIdBlock, parseSnpIdAuthentication]) {
          try {
            parse(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        }
      }),
    )
    expect(() => parseSnpIdBlock(block.subarray(1))).toThrow(ParseError)
    expect(() => parseSnpIdBlock(Uint8Array.of(...block, 0))).toThrow(
      expect.objectContaining({ code: 'TrailingBytes' }),
    )
    expect(() => parseSnpIdAuthentication(authentication.subarray(1))).toThrow(
      expect.objectContaining({ code: 'WrongLength' }),
    )
  })

  it('lies where AMD’s firmware reads it', async () => {
    const view = new DataView(block.buffer)
    expect(block.subarray(0, 48)).toEqual(launchDigest)
    expect([block.subarray(48, 64), block.subarray(64, 80)]).toEqual([new Uint8Array(16).fill(1), new Uint8Array(16)])
    expect([view.getUint32(80, true), view.getUint32(84, true), view.getBigUint64(88, true)]).toEqual([1, 3, policy])
    expect(buildSnpIdBlock({ launchDigest, policy }).subarray(48, 88)).toEqual(
      Uint8Array.from({ length: 40 }, (_, at) => (at === 32 ? 1 : 0)),
    )
    const { author: signed, idKey: key, blockSignature } = parseSnpIdAuthentication(authentication)
    expect([key.spki, key.raw]).toEqual([idKey.spki, snpOwnerKey(idKey.spki).raw])
    expect(signed?.key.spki).toEqual(author.spki)
    expect(authentication.slice(64, 112).toReversed()).toEqual(blockSignature.slice(0, 48))
    expect(authentication.slice(136, 184).toReversed()).toEqual(blockSignature.slice(48))
    expect([key.raw[0], key.raw.slice(4, 52).toReversed()]).toEqual([2, idKey.spki.slice(-96, -48)])
    expect(key.raw.slice(76, 124).toReversed()).toEqual(idKey.spki.slice(-48))
    expect(authentication.length).toBe(4096)
  })

  it('is written from parts of their own length alone', async () => {
    const short = new Uint8Array(15)
    expect(() => buildSnpIdBlock({ launchDigest: short, policy })).toThrow(RangeError)
    expect(() => buildSnpIdBlock({ launchDigest, policy, familyId: short })).toThrow(RangeError)
    expect(() => buildSnpIdBlock({ launchDigest, policy, imageId: short })).toThrow(RangeError)
    const cut: SnpOwner = { spki: idKey.spki, sign: async (data) => (await idKey.sign(data)).subarray(1) }
    await expect(buildSnpIdAuthentication({ block, idKey: cut })).rejects.toThrow(RangeError)
    await expect(buildSnpIdAuthentication({ block: block.subarray(1), idKey })).rejects.toThrow(ParseError)
    const second = Uint8Array.from(block)
    second[80] = 2
    expect(() => parseSnpIdBlock(second)).toThrow(expect.objectContaining({ code: 'UnknownVersion', offset: 80 }))
  })

  it.each<[part: string, at: number, value: number, code: string, facts?: object]>([
    ['no algorithm of the ID key', 0, 0, 'UnknownType', { offset: 0 }],
    ['another algorithm of the ID key', 0, 2, 'UnknownType', { offset: 0 }],
    ['another algorithm of the author', 4, 2, 'UnknownType', { offset: 4 }],
    ['an author without an algorithm', 4, 0, 'ReservedNotZero'],
    ['a reserved byte before the signature', 8, 1, 'ReservedNotZero'],
    ['a reserved byte just before the signature', 63, 1, 'ReservedNotZero'],
    ['another r', 64, 0xff, 'IdBlockSignatureInvalid', { subject: 'ID block' }],
    ['padding after r', 112, 1, 'ReservedNotZero'],
    ['another s', 136, 0xff, 'IdBlockSignatureInvalid', { subject: 'ID block' }],
    ['padding after s', 207, 1, 'ReservedNotZero'],
    ['padding after the signature', 208, 1, 'ReservedNotZero'],
    ['padding at the end of the signature', 575, 1, 'ReservedNotZero'],
    ['an ID key on another curve', 576, 1, 'UnknownType', { offset: 576 }],
    ['padding after x', 628, 1, 'ReservedNotZero'],
    ['padding after y', 700, 1, 'ReservedNotZero'],
    ['padding at the end of the ID key', 1603, 1, 'ReservedNotZero'],
    ['a reserved byte before the author', 1604, 1, 'ReservedNotZero'],
    ['a reserved byte just before the author', 1663, 1, 'ReservedNotZero'],
    ['another signature of the author', 1664, 0xff, 'IdBlockSignatureInvalid', { subject: 'ID key' }],
    ['an author on another curve', 2176, 1, 'UnknownType', { offset: 2176 }],
    ['padding at the end of the author', 3203, 1, 'ReservedNotZero'],
    ['a reserved byte after the author', 3204, 1, 'ReservedNotZero'],
    ['a reserved byte at the end', 4095, 1, 'ReservedNotZero'],
  ])('under an authentication with %s is refused', async (_, at, value, code, facts) => {
    const changed = Uint8Array.from(authentication)
    changed[at] = changed[at] === value ? value ^ 1 : value
    await expect(verifySnpIdBlock({ block, authentication: changed })).rejects.toMatchObject({ code, ...facts })
  })

  it('has no author where all of the author is zero, and then zeros to the end', async () => {
    const alone = await buildSnpIdAuthentication({ block, idKey })
    expect([alone[4], authentication[4]]).toEqual([0, 1])
    for (const algorithm of [0, 1]) {
      const changed = Uint8Array.from(alone)
      changed[4] = algorithm
      expect(parseSnpIdAuthentication(changed).author).toBeUndefined()
      expect(await verifySnpIdBlock({ block, authentication: changed })).not.toHaveProperty('authorKeyDigest')
      changed[4095] = 1
      expect(() => parseSnpIdAuthentication(changed)).toThrow(expect.objectContaining({ code: 'ReservedNotZero' }))
    }
  })

  it('counts no author who signed another key', async () => {
    const other = await buildSnpIdAuthentication({ block, idKey: await owner(), author })
    const swapped = Uint8Array.from(authentication)
    swapped.set(other.subarray(1664, 2176), 1664)
    await expect(verifySnpIdBlock({ block, authentication: swapped })).rejects.toMatchObject({
      code: 'IdBlockSignatureInvalid',
      subject: 'ID key',
    })
  })

  it('counts as an author what has a key, also where nothing is signed', () => {
    const changed = Uint8Array.from(authentication).fill(0, 1664, 2180)
    expect(() => parseSnpIdAuthentication(changed)).toThrow(
      expect.objectContaining({ code: 'UnknownType', offset: 2176 }),
    )
  })

  it('takes keys on P-384 alone', async () => {
    const other = await owner('P-256')
    expect(() => snpOwnerKey(other.spki)).toThrow(expect.objectContaining({ code: 'UnknownType' }))
    const rsa = { name: 'RSA-PSS', hash: 'SHA-384', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
    const { publicKey } = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify'])
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    expect(() => snpOwnerKey(spki)).toThrow(expect.objectContaining({ code: 'UnknownType', found: 'RSA' }))
  })
})
