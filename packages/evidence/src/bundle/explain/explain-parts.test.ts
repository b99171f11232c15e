import { describe, expect, it } from 'vitest'
import { buildHclReport, parseHclReport } from '../../azure/hcl-report.ts'
import type { CcaToken } from '../../cca/token.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { eventTypes } from '../../eventlog/event-types.ts'
import type { NitroDocument } from '../../nitro/document.ts'
import { svsmVtpmService } from '../../svsm/manifest.ts'
import type { TpmsAttest } from '../../tpm/attest.ts'
import { objectAttributes, type TpmPublic } from '../../tpm/public.ts'
import { explainCca, explainNitro, explainSvsm } from './explain-cbor.ts'
import { explainClaims, explainJson } from './explain-json.ts'
import { explainEventLog } from './explain-log.ts'
import { explainAttest, explainHcl, explainPublic, explainSignature } from './explain-tpm.ts'
import type { Field } from './field.ts'

const of = (value: number): Uint8Array => new Uint8Array(4).fill(value)
const hex = (value: number): string => toHex(of(value))
/** What each row shows; every row must have a meaning. */
const shown = (fields: readonly Field[]): Record<string, string> => {
  expect(fields.filter(({ meaning }) => meaning.length < 2)).toEqual([])
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}
const meaningOf = (fields: readonly Field[], name: string): string =>
  fields.find((field) => field.name === name)!.meaning

describe('documents in CBOR, and an SVSM’s services', () => {
  it('show every field of AWS’s', () => {
    const document = {
      sign1: { algorithm: { name: 'ES384' } },
      kind: 'enclave',
      moduleId: 'i-1',
      timestamp: new Date(0),
      pcrs: new Map([
        [0, of(1)],
        [2, of(2)],
      ]),
      cabundle: [of(3), of(4)],
      publicKey: of(5),
      userData: of(6),
      nonce: of(7),
    } as unknown as NitroDocument
    const rows = {
      kind: 'enclave',
      module_id: 'i-1',
      timestamp: '1970-01-01T00:00:00.000Z',
      algorithm: 'ES384',
      'pcr 0': hex(1),
      'pcr 2': hex(2),
      public_key: hex(5),
      user_data: hex(6),
      nonce: hex(7),
      cabundle: '2 certificates',
    }
    expect(shown(explainNitro(document))).toEqual(rows)
    expect(shown(explainNitro({ ...document, publicKey: undefined, userData: undefined, nonce: undefined }))).toEqual({
      ...rows,
      public_key: 'none',
      user_data: 'none',
      nonce: 'none',
    })
  })

  it('show every field of Arm’s', () => {
    const token = {
      platform: { implementationId: of(1), instanceId: of(2), lifecycle: 0x3001, challenge: of(3) },
      realm: {
        challenge: of(4),
        personalization: of(5),
        initialMeasurement: of(6),
        extensibleMeasurements: [of(7), of(8)],
        publicKey: of(9),
      },
    } as unknown as CcaToken
    expect(shown(explainCca(token))).toEqual({
      'platform.implementationId': hex(1),
      'platform.instanceId': hex(2),
      'platform.lifecycle': '0x3001',
      'platform.challenge': hex(3),
      'realm.challenge': hex(4),
      'realm.personalization': hex(5),
      'realm.initialMeasurement': hex(6),
      'realm.rem0': hex(7),
      'realm.rem1': hex(8),
      'realm.publicKey': hex(9),
    })
  })

  it('show each service of an SVSM, its vTPM as such', () => {
    const services = [
      { guid: svsmVtpmService, data: of(1) },
      { guid: 'other', data: of(2) },
      { guid: 'third', data: of(3) },
    ]
    const fields = explainSvsm({ raw: of(0), services })
    expect(shown(fields)).toEqual({ [svsmVtpmService]: hex(1), other: hex(2), third: hex(3) })
    expect(fields.map(({ meaning }) => meaning.includes('vTPM'))).toEqual([true, false, false])
  })
})

describe('what a TPM states', () => {
  const head = {
    qualifiedSigner: of(1),
    extraData: of(2),
    clock: 3n,
    resetCount: 4,
    restartCount: 5,
    safe: true,
    firmwareVersion: 6n,
    raw: of(0),
  }
  const rows = {
    qualifiedSigner: hex(1),
    extraData: hex(2),
    clock: '3 ms',
    resetCount: '4',
    restartCount: '5',
    safe: 'yes',
    firmwareVersion: '0x6',
  }

  it.each<[TpmsAttest, Record<string, string>]>([
    [
      {
        ...head,
        type: 'quote',
        pcrSelections: [
          { bank: 'sha256', pcrs: [0, 7] },
          { bank: 'sha1', pcrs: [] },
        ],
        pcrDigest: of(7),
      },
      { pcrSelections: 'sha256: 0 7; sha1: ', pcrDigest: hex(7) },
    ],
    [
      { ...head, type: 'certify', name: of(8), qualifiedName: of(9) },
      { name: hex(8), qualifiedName: hex(9) },
    ],
    [
      { ...head, type: 'creation', name: of(8), creationHash: of(9) },
      { name: hex(8), creationHash: hex(9) },
    ],
    [
      { ...head, type: 'nv', indexName: of(8), offset: 9, contents: of(10) },
      { indexName: hex(8), offset: '9', contents: hex(10) },
    ],
  ])('is shown field by field: $type', (attest, own) => {
    expect(shown(explainAttest(attest))).toEqual({ type: attest.type, ...rows, ...own })
  })

  it('is signed', () => {
    expect(shown(explainSignature({ scheme: 'rsapss', hash: 'sha256', signature: of(1) }))).toEqual({
      'signature.scheme': 'rsapss',
      'signature.hash': 'sha256',
      'signature.value': hex(1),
    })
    expect(shown(explainSignature({ scheme: 'ecdsa', hash: 'sha384', r: of(1), s: of(2) }))).toEqual({
      'signature.scheme': 'ecdsa',
      'signature.hash': 'sha384',
      'signature.value': `${hex(1)} ${hex(2)}`,
    })
  })

  it('is by a key with these attributes', () => {
    const o = objectAttributes
    const area: TpmPublic = {
      nameAlgorithm: 'sha256',
      attributes: o.fixedTpm | o.fixedParent | o.sensitiveDataOrigin | o.restricted | o.sign,
      authPolicy: of(1),
      scheme: { id: 0x14, hash: 'sha256' },
      key: { kind: 'ecc', curve: 'P-256', x: of(2), y: of(3) },
      publicArea: of(0),
    }
    const found = {
      key: `P-256 ${hex(2)}`,
      nameAlgorithm: 'sha256',
      scheme: '0x14 sha256',
      authPolicy: hex(1),
      attributes: '0x50032',
      'attributes.fixedTpm': 'yes',
      'attributes.stClear': 'no',
      'attributes.fixedParent': 'yes',
      'attributes.sensitiveDataOrigin': 'yes',
      'attributes.userWithAuth': 'no',
      'attributes.adminWithPolicy': 'no',
      'attributes.noDa': 'no',
      'attributes.restricted': 'yes',
      'attributes.decrypt': 'no',
      'attributes.sign': 'yes',
      attestationKey: 'yes',
    }
    expect(shown(explainPublic(area))).toEqual(found)
    const { scheme: _, ...bare } = area
    expect(shown(explainPublic({ ...bare, authPolicy: new Uint8Array() }))).toEqual({
      ...found,
      scheme: 'any',
      authPolicy: 'none',
    })
    expect(shown(explainPublic({ ...area, scheme: { id: 0x15 }, attributes: o.decrypt }))).toMatchObject({
      scheme: '0x15',
      attestationKey: 'no',
      'attributes.decrypt': 'yes',
      'attributes.sign': 'no',
    })
  })
})

describe('a paravisor’s report', () => {
  const snp = new Uint8Array(1184)
  const view = new DataView(snp.buffer)
  view.setUint32(0, 2, true)
  view.setUint32(0x34, 1, true)
  view.setBigUint64(8, 0x30000n, true)
  const td = new Uint8Array(1024)
  td[0] = 0x81

  it('shows what is around the hardware’s, what is in it, and the claims', () => {
    const of1 = (o: Partial<Parameters<typeof buildHclReport>[0]>): Record<string, string> =>
      shown(
        explainHcl(
          parseHclReport(
            buildHclReport({ hardwareReport: snp, reportType: 'SNP', claims: utf8('{"a":{"b":1}}'), ...o }),
          ),
        ),
      )
    expect(of1({})).toMatchObject({
      version: '2',
      requestType: 'AkCert',
      status: '0',
      reportType: 'SNP',
      hashType: 'SHA-256',
      capabilities: 'none',
      reportData: 'zero (64 bytes)',
      'hardware.version': '2',
      'hardware.measurement': 'zero (48 bytes)',
      'claims.a.b': '1',
    })
    const other = of1({ hardwareReport: td, reportType: 'TDX', claims: utf8('x'), version: 1, capabilities: 5 })
    expect(other).toMatchObject({
      version: '1',
      reportType: 'TDX',
      capabilities: '0x5',
      'hardware.tdxVersion': '1.0',
      claims: 'not readable',
    })
    // An unreadable hardware report is left out: the check that judges it reports why.
    expect(Object.keys(of1({ hardwareReport: new Uint8Array(1184) })).some((name) => name.startsWith('hardware'))).toBe(
      false,
    )
  })
})

describe('an event log', () => {
  it('shows its head, and each record with type, digest and text', () => {
    const event = (index: number, type: number, data: Uint8Array, digests: Map<string, Uint8Array>): object => ({
      index,
      pcr: index + 10,
      type,
      digests,
      data,
    })
    const wide = (text: string): Uint8Array => Uint8Array.from([...utf8(text)].flatMap((each) => [each, 0]))
    const log = {
      format: 'crypto-agile',
      algorithms: ['sha1', 'sha256'],
      specVersion: '2.0.0',
      events: [
        event(0, eventTypes.EV_SEPARATOR, new Uint8Array(4), new Map([['sha256', of(1)]])),
        event(
          1,
          eventTypes.EV_IPL,
          utf8('grub\0'),
          new Map([
            ['sha1', of(2)],
            ['sha256', of(3)],
          ]),
        ),
        event(2, eventTypes.EV_EFI_ACTION, wide('Boot'), new Map([['sha384', of(4)]])),
        event(3, 0x99, Uint8Array.of(0x41, 7), new Map()),
        event(4, eventTypes.EV_POST_CODE, utf8('x'.repeat(130)), new Map([['sha256', of(5)]])),
        event(5, eventTypes.EV_POST_CODE, utf8('ab\0\0\0'), new Map([['sha256', of(5)]])),
        event(6, eventTypes.EV_POST_CODE, utf8('a\0\0b'), new Map([['sha256', of(5)]])),
        event(7, eventTypes.EV_POST_CODE, Uint8Array.of(7, 0x41), new Map([['sha256', of(5)]])),
        event(8, eventTypes.EV_POST_CODE, new Uint8Array(), new Map([['sha256', of(5)]])),
      ],
    } as unknown as Parameters<typeof explainEventLog>[0]
    const fields = explainEventLog(log)
    expect(shown(fields)).toEqual({
      format: 'crypto-agile',
      algorithms: 'sha1 sha256',
      specVersion: '2.0.0',
      records: '9',
      'record 0': `register 10, EV_SEPARATOR, ${hex(1)}, 4 bytes`,
      'record 1': `register 11, EV_IPL, ${hex(3)}, "grub"`,
      'record 2': `register 12, EV_EFI_ACTION, ${hex(4)}, "Boot"`,
      'record 3': 'register 13, 0x00000099, , 2 bytes',
      'record 4': `register 14, EV_POST_CODE, ${hex(5)}, "${'x'.repeat(120)}"`,
      'record 5': `register 15, EV_POST_CODE, ${hex(5)}, "ab"`,
      'record 6': `register 16, EV_POST_CODE, ${hex(5)}, 4 bytes`,
      'record 7': `register 17, EV_POST_CODE, ${hex(5)}, 2 bytes`,
      'record 8': `register 18, EV_POST_CODE, ${hex(5)}, 0 bytes`,
    })
    const meanings = [0, 1, 2, 3].map((index) => meaningOf(fields, `record ${index}`))
    expect(new Set(meanings).size).toBe(4)
    const { specVersion: _, ...legacy } = log
    expect(shown(explainEventLog({ ...legacy, events: [] }))).toMatchObject({ specVersion: 'none', records: '0' })
  })
})

describe('JSON', () => {
  it('shows every leaf by its path, with the meaning of its last name that has one', () => {
    const fields = explainJson({ iss: 'x', a: { kid: null, list: [1, true] }, kid: { other: 2 }, z: 'q' })
    expect(shown(fields)).toEqual({
      iss: 'x',
      'a.kid': 'null',
      'a.list.0': '1',
      'a.list.1': 'true',
      'kid.other': '2',
      z: 'q',
    })
    expect(meaningOf(fields, 'a.kid')).toBe(meaningOf(fields, 'kid.other'))
    expect(new Set(['iss', 'a.kid', 'z'].map((name) => meaningOf(fields, name))).size).toBe(3)
    expect(meaningOf(explainJson({ kid: { iss: 1 } }), 'kid.iss')).toBe(meaningOf(fields, 'iss'))
    expect(meaningOf(fields, 'a.list.0')).toBe(meaningOf(fields, 'z'))
    shown(explainJson({ mrsigner: 1, attributes: 2, miscselect: 3 }))
    // Names that every object inherits are treated like any other name.
    const inherited = explainJson(JSON.parse('{"constructor":1,"toString":{"__proto__":2}}'))
    expect(inherited.map(({ name, meaning }) => [name, meaning])).toEqual(
      ['constructor', 'toString.__proto__'].map((name) => [name, meaningOf(fields, 'z')]),
    )
  })

  it('shows times of tokens as dates', () => {
    const times = { iat: 0, nbf: 1, exp: 2, auth_time: 3, other: 4, claims: { exp: 5 } }
    expect(shown(explainClaims('', times))).toEqual({
      iat: '0 (1970-01-01T00:00:00.000Z)',
      nbf: '1 (1970-01-01T00:00:01.000Z)',
      exp: '2 (1970-01-01T00:00:02.000Z)',
      auth_time: '3 (1970-01-01T00:00:03.000Z)',
      other: '4',
      'claims.exp': '5 (1970-01-01T00:00:05.000Z)',
    })
    expect(shown(explainClaims('x', { exp: 'never', y: {} }))).toEqual({ 'x.exp': 'never' })
  })

  it('shows two thousand leaves', () => {
    expect(explainJson(Array(2000).fill(1))).toHaveLength(2000)
    expect(explainJson(Array(2001).fill(1))).toHaveLength(2000)
  })
})
