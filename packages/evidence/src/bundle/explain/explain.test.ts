import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { buildHclReport } from '../../azure/hcl-report.ts'
import { toBase64Url } from '../../core/bytes/base64.ts'
import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { fromHex, toHex } from '../../core/bytes/hex.ts'
import { formatGuid, parseGuid } from '../../core/bytes/guid.ts'
import { amdOid } from '../../snp/endorse.ts'
import { svsmManifestGuid } from '../../svsm/manifest.ts'
import { measuredLog, quoteMessage, SoftwareTpm } from '../../testing/software-tpm.ts'
import type { Certificate } from '../../x509/certificate.ts'
import type { Crl } from '../../x509/crl.ts'
import type { Name } from '../../x509/name.ts'
import { parsePem } from '../../x509/pem.ts'
import { detect } from '../detect.ts'
import { explain } from './explain.ts'
import { explainCertificate, explainCrl } from './explain-x509.ts'
import type { Field } from './field.ts'
import type { Piece, PieceKind, PieceOf } from '../pieces/piece.ts'

/** From the packages golang-github-google-go-sev-guest-dev and go-tdx-guest-dev. */
const go = '/usr/share/gocode/src/github.com/google'
const read = (path: string): Uint8Array => new Uint8Array(readFileSync(`${go}/${path}`))
const sev = 'go-sev-guest/verify/testdata'
const tdx = 'go-tdx-guest/testing/testdata'
const shown = (fields: readonly Field[]): Record<string, string> => {
  expect(fields.filter(({ meaning }) => meaning.length < 3)).toEqual([])
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}
/** Each kind of piece without its name. */
type Unnamed = { [K in PieceKind]: Omit<PieceOf<K>, 'name'> }[PieceKind]
const of = (value: number): Uint8Array => new Uint8Array(4).fill(value)

describe('every kind of evidence', () => {
  const tpm = new SoftwareTpm()
  const { log, pcrs } = measuredLog([[7, 8, utf8('x')]])
  const message = quoteMessage(pcrs)
  const service = new ByteWriter().bytes(parseGuid('63849ebb-3d92-4670-a1ff-58f9c94b87bb')).u32le(48).u32le(2)
  const manifest = new ByteWriter().bytes(svsmManifestGuid).u32le(50).u32le(1).bytes(service.finish()).bytes(utf8('hi'))
  const jws = `${toBase64Url(utf8('{"alg":"RS256"}'))}.${toBase64Url(utf8('{"iss":"me"}'))}.AAAA`
  const spki = fromHex(
    '3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a1394' +
      '5d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  )
  const rsaSpki = Uint8Array.from(
    generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'der' }),
  )
  const part = (piece: Unnamed): Piece => ({ name: ' f ', ...piece })

  it.each<[piece: Piece, shows: Record<string, string>]>([
    [part({ kind: 'snp-report', bytes: read(`${sev}/attestation.bin`) }), { version: '2', vmpl: '0' }],
    [
      part({ kind: 'tdx-quote', bytes: read(`${tdx}/tdx_prod_quote_SPR_E4.dat`) }),
      {
        version: '4',
        'pck.fmspc': '50806f000000',
        'pck.pceId': '0000',
        'pck.pceSvn': '11',
        'pck.componentSvns': '3 3 2 2 2 1 0 2 0 0 0 0 0 0 0 0',
        'pck.ppid': '089ddfdb9c0359c82a3bc7719239574e',
        'certificate 0.subject': expect.stringContaining('CN=Intel SGX PCK Certificate'),
        'certificate 2.subject': expect.stringContaining('CN=Intel SGX Root CA'),
      },
    ],
    [part({ kind: 'td-report', bytes: Uint8Array.of(0x81, ...new Uint8Array(1023)) }), { tdxVersion: '1.0' }],
    [
      part({
        kind: 'hcl-report',
        bytes: buildHclReport({ hardwareReport: new Uint8Array(1184), reportType: 'SNP', claims: utf8('{}') }),
      }),
      { requestType: 'AkCert' },
    ],
    [part({ kind: 'event-log', bytes: log }), { records: '1' }],
    [part({ kind: 'tpm-attest', bytes: message }), { type: 'quote' }],
    [part({ kind: 'tpm-signature', bytes: tpm.sign(message) }), { 'signature.scheme': 'ecdsa' }],
    [part({ kind: 'tpm-public', bytes: tpm.akPublic(), nested: false }), { attestationKey: 'yes' }],
    [
      part({ kind: 'tpm-quote', message, signature: tpm.sign(message), pcrs: new Map([[7, of(5)]]) }),
      { type: 'quote', 'signature.scheme': 'ecdsa', 'pcr 7': '05050505' },
    ],
    [
      part({
        kind: 'tpm-quote',
        message,
        signature: { scheme: 'rsassa', hash: 'sha256', signature: of(1) },
        pcrs: new Map(),
      }),
      { 'signature.value': '01010101' },
    ],
    [
      part({ kind: 'svsm-manifest', bytes: manifest.finish() }),
      { [formatGuid(parseGuid('63849ebb-3d92-4670-a1ff-58f9c94b87bb'))]: toHex(utf8('hi')) },
    ],
    [
      part({ kind: 'crl', bytes: read(`${tdx}/rootcrl.der`) }),
      { issuer: expect.stringContaining('CN=Intel SGX Root CA') },
    ],
    [
      part({ kind: 'certificates', certificates: parsePem(new TextDecoder().decode(read(`${sev}/milan.testcer`))) }),
      { 'certificate 0.authority': 'yes, 0 below', 'certificate 1.authority': 'yes' },
    ],
    [part({ kind: 'tcb-info', text: '{"tcbInfo":{"fmspc":"00"}}' }), { 'tcbInfo.fmspc': '00' }],
    [part({ kind: 'qe-identity', text: '{"enclaveIdentity":{"id":"x"}}' }), { 'enclaveIdentity.id': 'x' }],
    [part({ kind: 'token', text: jws }), { 'header.alg': 'RS256', iss: 'me' }],
    [part({ kind: 'release', text: jws }), { 'header.alg': 'RS256', iss: 'me' }],
    [part({ kind: 'image-measurements', text: jws }), { 'header.alg': 'RS256', iss: 'me' }],
    [part({ kind: 'jwks', value: { keys: [{ kty: 'EC' }] }, nested: false }), { 'keys.0.kty': 'EC' }],
    [part({ kind: 'runtime-claims', bytes: utf8('{"a":1}') }), { a: '1' }],
    [part({ kind: 'public-key', spki, nested: false }), { key: 'P-256', spki: toHex(spki) }],
    [
      part({ kind: 'public-key', spki: rsaSpki, nested: false }),
      { key: 'RSA-2048', spki: expect.stringMatching(/^30820122/) },
    ],
    [part({ kind: 'signature', bytes: of(1) }), { signature: '01010101' }],
    [part({ kind: 'unknown', reason: 'why' }), { reason: 'why' }],
  ])('is explained: $kind', (piece, shows) => {
    const found = explain(piece)
    expect(found).toMatchObject({ name: 'f', kind: piece.kind })
    expect(found.title.length).toBeGreaterThan(4)
    expect(found).not.toHaveProperty('fault')
    expect(shown(found.fields)).toMatchObject(shows)
  })

  it('is named where it cannot be read, with why', () => {
    for (const [kind, subject] of [
      ['nitro-document', /Nitro/],
      ['cca-token', /CCA/],
      ['snp-report', /SNP report/],
      ['td-report', /TDREPORT.*\(found 4, expected 1024\)$/],
      ['tpm-attest', /TPMS_ATTEST/],
    ] as const) {
      const found = explain({ name: 'f', kind, bytes: of(0x11) })
      expect([kind, found.fields, found.fault]).toEqual([kind, [], expect.stringMatching(subject)])
      expect(found.title.length).toBeGreaterThan(4)
    }
    const unread = explain({ name: 'f', kind: 'unreadable', code: 'TooDeep', reason: 'why' })
    expect(unread).toEqual({ name: 'f', kind: 'unreadable', title: unread.title, fields: [], fault: 'why' })
    const value = {
      get a(): never {
        throw new TypeError('x')
      },
    }
    expect(() => explain({ name: 'f', kind: 'jwks', value, nested: false })).toThrow(TypeError)
  })

  it('is named in the order in which it was found', () => {
    const found = detect('f', utf8(JSON.stringify({ message: toHex(message), signature: toHex(tpm.sign(message)) })))
    expect(found.map((piece) => explain(piece).kind)).toEqual(['tpm-quote'])
  })
})

describe('certificates', () => {
  const name = (...attributes: [string, string][]): Name =>
    ({ attributes: attributes.map(([type, value]) => ({ type, value })) }) as Name
  const certificate = {
    subject: name(
      ['2.5.4.3', 'a'],
      ['2.5.4.6', 'b'],
      ['2.5.4.7', 'c'],
      ['2.5.4.8', 'd'],
      ['2.5.4.10', 'e'],
      ['2.5.4.11', 'f'],
    ),
    issuer: name(['1.2.3', 'g']),
    serialNumber: '0a',
    notBefore: new Date(0),
    notAfter: new Date(1000),
    publicKey: { kind: 'RSA', modulusBits: 4096 },
    signatureAlgorithm: { kind: 'RSA-PSS', hash: 'SHA-384' },
    extensions: [
      { oid: '2.5.29.15', critical: true, value: of(2) },
      { oid: '1.2', critical: false, value: new Uint8Array(100).fill(3) },
    ],
    basicConstraints: { ca: true, pathLength: undefined },
    keyUsage: new Set(['keyCertSign', 'cRLSign']),
    signature: of(1),
  } as unknown as Certificate
  const rows = {
    subject: 'CN=a, C=b, L=c, ST=d, O=e, OU=f',
    issuer: '1.2.3=g',
    serialNumber: '0a',
    notBefore: '1970-01-01T00:00:00.000Z',
    notAfter: '1970-01-01T00:00:01.000Z',
    publicKey: 'RSA-4096',
    signatureAlgorithm: 'RSA-PSS SHA-384',
    authority: 'yes',
    keyUsage: 'keyCertSign, cRLSign',
    'extension 2.5.29.15': 'critical 02020202',
    'extension 1.2': '03'.repeat(80),
    signature: '01010101',
  }

  it('show every field by its name', () => {
    expect(shown(explainCertificate(certificate, 0, 1))).toEqual(rows)
    const second = shown(explainCertificate(certificate, 1, 2))
    expect(second).toEqual(
      Object.fromEntries(Object.entries(rows).map(([key, value]) => [`certificate 1.${key}`, value])),
    )
    const leaf = { ...certificate, publicKey: { kind: 'EC', curve: 'P-384' }, keyUsage: undefined } as Certificate
    for (const basicConstraints of [undefined, { ca: false, pathLength: undefined }])
      expect(shown(explainCertificate({ ...leaf, basicConstraints }, 0, 1))).toMatchObject({
        publicKey: 'P-384',
        keyUsage: 'any',
        authority: 'no',
      })
  })

  it('of a chip’s key show what it stands for', () => {
    const [piece] = detect('f', read(`${sev}/vcek.testcer`))
    const fields = shown(explain(piece!).fields)
    expect(fields).toMatchObject({
      productName: 'Milan-B0',
      tcb: 'fmc 0, bootLoader 2, tee 0, snp 5, microcode 68',
      hardwareId: expect.stringMatching(/^[0-9a-f]{128}$/),
    })
    expect(Object.keys(fields).filter((field) => field.startsWith('extension 1.3.6.1.4.1.3704'))).toEqual([])
  })

  it('of a provider’s key name the provider', () => {
    const integer = (oid: string, value: number): object => ({
      oid,
      critical: false,
      value: Uint8Array.of(2, 1, value),
    })
    const text = (oid: string, value: string): object => ({
      oid,
      critical: false,
      value: Uint8Array.of(0x16, value.length, ...utf8(value)),
    })
    const provider = {
      ...certificate,
      subject: { ...certificate.subject, commonName: 'SEV-VLEK' },
      extensions: [
        text(amdOid.productName, 'Milan'),
        text(amdOid.providerId, 'me'),
        ...[amdOid.bootLoader, amdOid.tee, amdOid.snp, amdOid.microcode].map((oid, index) => integer(oid, index + 1)),
      ],
    } as unknown as Certificate
    const fields = shown(explainCertificate(provider, 0, 1))
    expect(fields).toMatchObject({
      productName: 'Milan',
      tcb: 'fmc 0, bootLoader 1, tee 2, snp 3, microcode 4',
      providerId: 'me',
    })
    expect(fields).not.toHaveProperty('hardwareId')
  })

  it('that are revoked are shown by their numbers', () => {
    const crl = {
      issuer: name(['2.5.4.3', 'a']),
      thisUpdate: new Date(0),
      nextUpdate: new Date(1000),
      signatureAlgorithm: { kind: 'ECDSA', hash: 'SHA-256' },
      revoked: new Map([['0b', new Date(2000)]]),
      signature: of(4),
    } as unknown as Crl
    const list = {
      issuer: 'CN=a',
      thisUpdate: '1970-01-01T00:00:00.000Z',
      nextUpdate: '1970-01-01T00:00:01.000Z',
      signatureAlgorithm: 'ECDSA SHA-256',
      'revoked 0b': '1970-01-01T00:00:02.000Z',
      signature: '04040404',
    }
    expect(shown(explainCrl(crl))).toEqual(list)
    expect(shown(explainCrl({ ...crl, nextUpdate: undefined }))).toEqual({ ...list, nextUpdate: 'none' })
  })
})
