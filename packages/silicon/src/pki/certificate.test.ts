import {
  bitString,
  boolean,
  integer,
  namedBits,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  tagged,
  time,
  utf8String,
  encodeName,
} from '@strongroom/der'
import { parseCertificate, describeName, type Certificate, type SignatureAlgorithm } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'

// Unsigned: parsing needs only the form.

const point = (size: number, form = 4): Uint8Array => bitString(new Uint8Array(1 + 2 * size).fill(form, 0, 1))
const ecKey = (curve = '1.3.132.0.34', size = 48, form = 4): Uint8Array =>
  sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve)), point(size, form))
const ecdsa = sequence(oid('1.2.840.10045.4.3.3'))
const from = new Date('2026-01-01T00:00:00Z')
const to = new Date('2055-01-01T00:00:00Z')

interface Parts {
  version?: Uint8Array
  serial?: Uint8Array
  algorithm?: Uint8Array
  outerAlgorithm?: Uint8Array
  issuer?: Uint8Array
  validity?: Uint8Array
  subject?: Uint8Array
  key?: Uint8Array
  /** Content of tag 3. */
  extensions?: Uint8Array
  /** After the extensions. */
  tail?: Uint8Array
  signature?: Uint8Array
  /** After the signature. */
  end?: Uint8Array
}
const none = new Uint8Array(0)
function certificate(o: Parts = {}): Uint8Array {
  const algorithm = o.algorithm ?? ecdsa
  return sequence(
    sequence(
      o.version ?? tagged(0, integer(2)),
      o.serial ?? integer(0x8003n),
      algorithm,
      o.issuer ?? encodeName([['CN', 'Authority']]),
      o.validity ?? sequence(time(from), time(to)),
      o.subject ??
        encodeName([
          ['O', 'Somebody'],
          ['CN', 'Leaf'],
        ]),
      o.key ?? ecKey(),
      o.extensions === undefined ? none : tagged(3, o.extensions),
      o.tail ?? none,
    ),
    o.outerAlgorithm ?? algorithm,
    o.signature ?? bitString(Uint8Array.of(1, 2, 3)),
    o.end ?? none,
  )
}
const read = (o: Parts = {}): Certificate => parseCertificate(certificate(o))
const refused = (code: string): unknown => expect.objectContaining({ name: 'ParseError', code })
const extension = (name: string, value: Uint8Array, ...rest: Uint8Array[]): Uint8Array =>
  sequence(oid(name), octetString(value), ...rest)
const one = (name: string, value: Uint8Array): Parts => ({ extensions: sequence(extension(name, value)) })

describe('a certificate', () => {
  it('is read whole', () => {
    const der = certificate(one('1.2.3', nullValue()))
    expect(parseCertificate(der)).toMatchObject({
      raw: der,
      serialNumber: '008003',
      issuer: { commonName: 'Authority', attributes: [{ type: '2.5.4.3', value: 'Authority' }] },
      subject: { commonName: 'Leaf', attributes: [{ type: '2.5.4.10', value: 'Somebody' }, { value: 'Leaf' }] },
      notBefore: from,
      notAfter: to,
      publicKey: { kind: 'EC', curve: 'P-384', spki: ecKey() },
      signatureAlgorithm: { kind: 'ECDSA', hash: 'SHA-384' },
      signature: Uint8Array.of(1, 2, 3),
      extensions: [{ oid: '1.2.3', critical: false, value: nullValue() }],
      basicConstraints: undefined,
      keyUsage: undefined,
      extendedKeyUsage: undefined,
    })
    expect(read().extensions).toEqual([])
  })

  it.each<[what: string, parts: Parts, code: string]>([
    ['of version 1', { version: none }, 'UnknownType'],
    ['of version 2', { version: tagged(0, integer(1)) }, 'UnknownVersion'],
    ['with something after its version', { version: tagged(0, integer(2), integer(2)) }, 'TrailingBytes'],
    ['without a serial number', { serial: none }, 'UnknownType'],
    ['with three times', { validity: sequence(time(from), time(to), time(to)) }, 'TrailingBytes'],
    ['with something after its extensions', { ...one('1.2.3', none), tail: nullValue() }, 'TrailingBytes'],
    ['with something in place of extensions', { tail: nullValue() }, 'TrailingBytes'],
    ['with an empty list of extensions', { extensions: sequence() }, 'Missing'],
    [
      'with two lists of extensions',
      { extensions: Uint8Array.of(...sequence(extension('1.2.3', none)), ...nullValue()) },
      'TrailingBytes',
    ],
    [
      'with an extension twice',
      { extensions: sequence(extension('1.2.3', none), extension('1.2.4', none), extension('1.2.3', none)) },
      'Duplicate',
    ],
    [
      'with something after an extension',
      { extensions: sequence(extension('1.2.3', none, nullValue())) },
      'TrailingBytes',
    ],
    [
      'with too many extensions',
      { extensions: sequence(...Array.from({ length: 65 }, (_, index) => extension(`1.2.${index}`, none))) },
      'TooLarge',
    ],
    ['that names another algorithm outside', { outerAlgorithm: sequence(oid('1.2.840.10045.4.3.2')) }, 'InvalidValue'],
    ['that names no algorithm outside', { outerAlgorithm: sequence(oid('1.2.3')) }, 'UnknownType'],
    ['with half a byte of signature', { signature: namedBits([3]) }, 'InvalidValue'],
    ['with something after its signature', { end: nullValue() }, 'TrailingBytes'],
    ['with an empty part of a name', { subject: sequence(setOf()) }, 'Missing'],
    [
      'with a part of a name of three',
      { subject: sequence(setOf(sequence(oid('2.5.4.3'), utf8String('x'), nullValue()))) },
      'TrailingBytes',
    ],
    ['with a number for a name', { subject: sequence(setOf(sequence(oid('2.5.4.3'), integer(1)))) }, 'UnknownType'],
  ])('%s is refused', (_, parts, code) => {
    expect(() => read(parts)).toThrow(refused(code))
  })

  it('has nothing after it, and is not larger than any', () => {
    expect(() => parseCertificate(Uint8Array.of(...certificate(), 0))).toThrow(refused('TrailingBytes'))
    expect(() => parseCertificate(new Uint8Array((1 << 16) + 1))).toThrow(refused('TooLarge'))
    expect(() => parseCertificate(new Uint8Array(1 << 16))).toThrow(refused('UnknownType'))
    expect(
      read({ extensions: sequence(...Array.from({ length: 64 }, (_, index) => extension(`1.2.${index}`, none))) })
        .extensions,
    ).toHaveLength(64)
  })

  it('covers by its signature what lies between its outer header and the algorithm', () => {
    const der = certificate()
    const { tbs } = parseCertificate(der)
    const rest = ecdsa.length + bitString(Uint8Array.of(1, 2, 3)).length
    expect(tbs).toEqual(der.subarray(der.length - rest - tbs.length, der.length - rest))
    expect(tbs[0]).toBe(0x30)
  })

  it('has a common name where there is one alone', () => {
    const twice = read({
      subject: encodeName([
        ['CN', 'a'],
        ['CN', 'b'],
      ]),
    }).subject
    expect([twice.commonName, describeName(twice)]).toEqual([undefined, '2.5.4.3=a, 2.5.4.3=b'])
    const nameless = read({ subject: encodeName([['O', 'a']]) }).subject
    expect([nameless.commonName, describeName(nameless)]).toEqual([undefined, '2.5.4.10=a'])
    expect(describeName(read().subject)).toBe('Leaf')
    const pair = setOf(sequence(oid('2.5.4.3'), utf8String('a')), sequence(oid('2.5.4.10'), utf8String('b')))
    expect(read({ subject: sequence(pair) }).subject.attributes).toHaveLength(2)
  })

  it('says which extensions are critical', () => {
    const critical = sequence(oid('1.2.3'), boolean(true), octetString(none))
    const not = sequence(oid('1.2.4'), boolean(false), octetString(none))
    const found = read({ extensions: sequence(critical, not) }).extensions
    expect(found.map((each) => each.critical)).toEqual([true, false])
    const other = sequence(oid('1.2.3'), Uint8Array.of(1, 1, 1), octetString(none))
    expect(() => read({ extensions: sequence(other) })).toThrow(refused('NotCanonical'))
  })
})

describe('the constraints of a certificate', () => {
  const [basic, usage, purposes] = ['2.5.29.19', '2.5.29.15', '2.5.29.37'] as const

  it('are read', () => {
    expect(read(one(basic, sequence())).basicConstraints).toEqual({ ca: false, pathLength: undefined })
    expect(read(one(basic, sequence(boolean(true)))).basicConstraints).toEqual({ ca: true, pathLength: undefined })
    expect(read(one(basic, sequence(boolean(true), integer(255)))).basicConstraints).toEqual({
      ca: true,
      pathLength: 255,
    })
    expect(read(one(basic, sequence(integer(3)))).basicConstraints).toEqual({ ca: false, pathLength: 3 })
    const list = sequence(oid('1.3.6.1.5.5.7.3.1'), oid('2.23.133.8.3'))
    expect(read(one(purposes, list)).extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '2.23.133.8.3'])
    expect(read(one(purposes, sequence())).extendedKeyUsage).toEqual([])
  })

  it.each(
    [
      'digitalSignature',
      'nonRepudiation',
      'keyEncipherment',
      'dataEncipherment',
      'keyAgreement',
      'keyCertSign',
      'cRLSign',
      'encipherOnly',
      'decipherOnly',
    ].map((name, bit) => [bit, name] as const),
  )('have bit %i for %s', (bit, name) => {
    expect([...read(one(usage, namedBits([bit]))).keyUsage!]).toEqual([name])
  })

  it.each([
    ['a path length above a byte', one(basic, sequence(integer(256))), 'InvalidValue'],
    ['something after the path length', one(basic, sequence(boolean(true), integer(1), nullValue())), 'TrailingBytes'],
    ['something after the constraints', one(basic, Uint8Array.of(...sequence(), 5, 0)), 'TrailingBytes'],
    ['something after the usage', one(usage, Uint8Array.of(...namedBits([5]), 5, 0)), 'TrailingBytes'],
    ['something after the purposes', one(purposes, Uint8Array.of(...sequence(), 5, 0)), 'TrailingBytes'],
    ['a number for a purpose', one(purposes, sequence(integer(1))), 'UnknownType'],
  ] as [string, Parts, string][])('are refused with %s', (_, parts, code) => {
    expect(() => read(parts)).toThrow(refused(code))
  })
})

describe('the algorithm of a signature', () => {
  const hashOid = (bits: 256 | 384 | 512): string => `2.16.840.1.101.3.4.2.${{ 256: 1, 384: 2, 512: 3 }[bits]}`
  const hash = (bits: 256 | 384 | 512 = 384, ...parameters: Uint8Array[]): Uint8Array =>
    sequence(oid(hashOid(bits)), ...parameters)
  const pss = (...parts: Uint8Array[]): Uint8Array => sequence(oid('1.2.840.113549.1.1.10'), sequence(...parts))
  const mgf = (...parts: Uint8Array[]): Uint8Array => tagged(1, sequence(oid('1.2.840.113549.1.1.8'), ...parts))
  const good = [tagged(0, hash()), mgf(hash()), tagged(2, integer(48))]

  it.each<[name: string, algorithm: Uint8Array, wanted: SignatureAlgorithm]>([
    ['ECDSA with SHA-256', sequence(oid('1.2.840.10045.4.3.2')), { kind: 'ECDSA', hash: 'SHA-256' }],
    ['ECDSA with SHA-384', sequence(oid('1.2.840.10045.4.3.3')), { kind: 'ECDSA', hash: 'SHA-384' }],
    ['ECDSA with SHA-512', sequence(oid('1.2.840.10045.4.3.4')), { kind: 'ECDSA', hash: 'SHA-512' }],
    ['RSA with SHA-256', sequence(oid('1.2.840.113549.1.1.11'), nullValue()), { kind: 'RSA-PKCS1', hash: 'SHA-256' }],
    ['RSA with SHA-384', sequence(oid('1.2.840.113549.1.1.12'), nullValue()), { kind: 'RSA-PKCS1', hash: 'SHA-384' }],
    ['RSA with SHA-512', sequence(oid('1.2.840.113549.1.1.13'), nullValue()), { kind: 'RSA-PKCS1', hash: 'SHA-512' }],
    ['PSS', pss(...good), { kind: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 }],
    [
      'PSS with NULL beside each hash',
      pss(tagged(0, hash(256, nullValue())), mgf(hash(256, nullValue())), good[2]!),
      { kind: 'RSA-PSS', hash: 'SHA-256', saltLength: 48 },
    ],
    [
      'PSS with SHA-512 and the longest salt',
      pss(tagged(0, hash(512)), mgf(hash(512)), tagged(2, integer(64))),
      { kind: 'RSA-PSS', hash: 'SHA-512', saltLength: 64 },
    ],
    [
      'PSS with its trailer written out',
      pss(...good, tagged(3, integer(1))),
      { kind: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 },
    ],
  ])('is %s', (_, algorithm, wanted) => {
    expect(read({ algorithm }).signatureAlgorithm).toEqual(wanted)
  })

  it.each<[what: string, algorithm: Uint8Array, code: string]>([
    ['SHA-1', sequence(oid('1.2.840.113549.1.1.5'), nullValue()), 'UnknownType'],
    ['RSA without NULL', sequence(oid('1.2.840.113549.1.1.11')), 'Truncated'],
    [
      'RSA with NULL that holds something',
      sequence(oid('1.2.840.113549.1.1.11'), Uint8Array.of(5, 1, 0)),
      'WrongLength',
    ],
    [
      'RSA with something after NULL',
      sequence(oid('1.2.840.113549.1.1.11'), nullValue(), nullValue()),
      'TrailingBytes',
    ],
    ['ECDSA with NULL', sequence(oid('1.2.840.10045.4.3.2'), nullValue()), 'TrailingBytes'],
    ['PSS without its hash', pss(good[1]!, good[2]!), 'UnknownType'],
    ['PSS without its mask', pss(good[0]!, good[2]!), 'UnknownType'],
    ['PSS without its salt', pss(good[0]!, good[1]!), 'Truncated'],
    ['PSS with SHA-1', pss(tagged(0, sequence(oid('1.3.14.3.2.26'))), good[1]!, good[2]!), 'UnknownType'],
    ['PSS with another mask', pss(good[0]!, tagged(1, sequence(oid('1.2.3'), hash())), good[2]!), 'UnknownType'],
    ['PSS with another hash in its mask', pss(good[0]!, mgf(hash(256)), good[2]!), 'InvalidValue'],
    ['PSS with something after its mask’s hash', pss(good[0]!, mgf(hash(), nullValue()), good[2]!), 'TrailingBytes'],
    [
      'PSS with something after its hash',
      pss(tagged(0, hash(384, nullValue(), nullValue())), good[1]!, good[2]!),
      'TrailingBytes',
    ],
    ['PSS with a number beside its hash', pss(tagged(0, hash(384, integer(1))), good[1]!, good[2]!), 'UnknownType'],
    ['PSS with a salt too long', pss(good[0]!, good[1]!, tagged(2, integer(65))), 'InvalidValue'],
    ['PSS with another trailer', pss(...good, tagged(3, integer(2))), 'InvalidValue'],
    ['PSS with something after its parameters', pss(...good, tagged(4, integer(1))), 'TrailingBytes'],
    [
      'PSS with two parameters',
      sequence(oid('1.2.840.113549.1.1.10'), sequence(...good), nullValue()),
      'TrailingBytes',
    ],
  ])('is not %s', (_, algorithm, code) => {
    expect(() => read({ algorithm })).toThrow(refused(code))
  })
})
