import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../bytes/hex.ts'
import { ParseError } from '../result/errors.ts'
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
/** What of a report an ID block speaks of. */
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
    // A key that the author signed is no author's key (attack S12).
    await expect(verifySnpIdBlock({ block, authentication, report: without })).rejects.toMatchObject({
      code: 'BindingMismatch',
    })
  })

  it.each([
    ['measurement', { measurement: new Uint8Array(48) }],
    ['family id', { familyId: new Uint8Array(16) }],
    ['image id', { imageId: new Uint8Array(16).fill(9) }],
    ['guest SVN', { guestSvn: 2 }],
    ['policy', { policy: { raw: 0xb0000n } }],
    ['ID key', { idKeyDigest: new Uint8Array(48) }],
    ['author key', { authorKeyDigest: new Uint8Array(48).fill(1) }],
    ['author flag', { authorKeyEnabled: false }],
  ])('of another %s than the report’s is refused', async (_, other) => {
    const changed = { ...report, ...other } as SnpReport
    await expect(verifySnpIdBlock({ block, authentication, report: changed })).rejects.toMatchObject({
      code: 'BindingMismatch',
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
    expect(() => parseSnpIdAuthentication(authentication.subarray(1))).toThrow(
      expect.objectContaining({ code: 'WrongLength' }),
    )
  })

  it('takes keys on P-384 alone', async () => {
    const other = await owner('P-256')
    expect(() => snpOwnerKey(other.spki)).toThrow(expect.objectContaining({ code: 'UnknownType' }))
  })
})
