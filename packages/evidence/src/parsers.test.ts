import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRuntimeClaims } from './azure/runtime-claims.ts'
import { ByteReader } from './core/bytes/byte-reader.ts'
import { ByteWriter } from './core/bytes/byte-writer.ts'
import { concat, utf8 } from './core/bytes/bytes.ts'
import { parseGuid } from './core/bytes/guid.ts'
import { toHex } from './core/bytes/hex.ts'
import { readCertificateTable } from './bundle/formats/certificate-table.ts'
import { detect } from './bundle/detect.ts'
import { explain } from './bundle/explain/explain.ts'
import { parseMeasuredVariable } from './eventlog/measured-variable.ts'
import { readOvmfTable } from './expect/measure/ovmf-table.ts'
import { ParseError, VerificationError } from './core/errors.ts'
import { parseQeIdentity } from './tdx/qe-identity.ts'
import { parseTcbInfo } from './tdx/tcb-info.ts'
import { parseCertificate } from './x509/certificate.ts'
import { parseCrl } from './x509/crl.ts'
import { parsePem, parsePemChain } from './x509/pem.ts'
import { parsePublicKey } from './x509/public-key.ts'

/** An attacker's input is either read or refused with a code. */
function refusesOrReads(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    expect(error instanceof ParseError || error instanceof VerificationError, String(error)).toBe(true)
    expect((error as ParseError).code).toMatch(/^[A-Z]\w+$/)
  }
}

/** A DER value of any shape, with correct tags and lengths, so that parsers get past the first byte. */
const der: fc.Arbitrary<Uint8Array> = fc.letrec<{ value: Uint8Array }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .tuple(
        fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([tag, content]) => Uint8Array.of(tag, content.length, ...content)),
    fc.tuple(fc.constantFrom(0x30, 0x31, 0xa0, 0xa3), fc.array(tie('value'), { maxLength: 6 })).map(([tag, parts]) => {
      const content = concat(...parts)
      const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
      return Uint8Array.of(tag, ...length, ...content)
    }),
  ),
})).value

describe('parsers, given anything', () => {
  it.each([
    ['parseCertificate', parseCertificate],
    ['parseCrl', parseCrl],
    ['parsePublicKey', parsePublicKey],
  ] as const)('%s reads DER or refuses it', (_, parse) => {
    fc.assert(
      fc.property(fc.oneof(der, fc.uint8Array({ maxLength: 300 })), (bytes) => refusesOrReads(() => parse(bytes))),
    )
  })

  it.each([
    ['parseRuntimeClaims', parseRuntimeClaims],
    ['parseMeasuredVariable', parseMeasuredVariable],
    ['readOvmfTable', readOvmfTable],
    ['readCertificateTable', (bytes: Uint8Array) => readCertificateTable('', bytes)],
    ['detect and explain', (bytes: Uint8Array) => detect('', bytes).map(explain)],
  ] as [string, (bytes: Uint8Array) => unknown][])('%s reads bytes or refuses them', (_, parse) => {
    const anything = fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.json().map(utf8), der)
    fc.assert(fc.property(anything, (bytes) => refusesOrReads(() => parse(bytes))))
  })

  it.each([
    ['parseTcbInfo', parseTcbInfo],
    ['parseQeIdentity', parseQeIdentity],
    ['parsePem', (text: string) => parsePem(text)],
    ['parsePemChain', parsePemChain],
  ] as [string, (text: string) => unknown][])('%s reads texts or refuses them', (_, parse) => {
    const pem = fc
      .tuple(
        fc.constantFrom('CERTIFICATE', 'X509 CRL', ''),
        fc.base64String(),
        fc.constantFrom('', ' ', '\n', 'x', '\0'),
      )
      .map(([label, body, after]) => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----${after}`)
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), pem), (text) => refusesOrReads(() => parse(text))))
  })
})

describe('encoders and their parsers', () => {
  it('agree on numbers and bytes in either order', () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.nat(65535),
        fc.nat(0xffffffff),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.uint8Array(),
        (a, b, c, d, e) => {
          const bytes = new ByteWriter().u8(a).u16le(b).u16be(b).u32le(c).u32be(c).u64le(d).bytes(e).finish()
          const reader = new ByteReader(bytes, 'bytes')
          expect([reader.u8('a'), reader.u16le('b'), reader.u16be('b')]).toEqual([a, b, b])
          expect([reader.u32le('c'), reader.u32be('c'), reader.u64le('d')]).toEqual([c, c, d])
          expect(toHex(reader.rest())).toBe(toHex(e))
        },
      ),
    )
  })

  it('agree on measured variables', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string({ maxLength: 60 }), fc.uint8Array(), (vendor, name, data) => {
        const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
        for (let at = 0; at < name.length; at++) writer.u16le(name.charCodeAt(at))
        const read = parseMeasuredVariable(writer.bytes(data).finish())
        expect([read.vendor, read.name, toHex(read.data)]).toEqual([vendor.toLowerCase(), name, toHex(data)])
      }),
    )
  })
})
