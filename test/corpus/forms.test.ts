import { beforeAll, describe, expect, it } from 'vitest'
import {
  buildHclReport,
  ByteWriter,
  concat,
  hclReportData,
  fromHex,
  toBase64,
  toBase64Url,
  toHex,
  type TrustAnchors,
  utf8,
  type TdxCollateral,
} from '@strongroom/evidence'
import { detect, judge, type Piece } from '@strongroom/evidence/files'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 120_000

const text = (value: unknown): Uint8Array => utf8(typeof value === 'string' ? value : JSON.stringify(value))
const wrapped = (value: string): string => value.replaceAll(/(.{64})/g, '$1\r\n')

/** Forms in which tools write bytes to files. */
const forms: [name: string, write: (bytes: Uint8Array) => Uint8Array][] = [
  ['as they are', (bytes) => bytes],
  ['as hexadecimal', (bytes) => text(toHex(bytes))],
  ['as hexadecimal in capitals after 0x, with a line end', (bytes) => text(`0x${toHex(bytes).toUpperCase()}\n`)],
  ['as hexadecimal in lines', (bytes) => text(wrapped(toHex(bytes)))],
  ['as base64 in lines', (bytes) => text(wrapped(toBase64(bytes)))],
  ['as base64 for URLs', (bytes) => text(toBase64Url(bytes))],
  ['as a member of JSON in base64', (bytes) => text({ evidence: toBase64(bytes) })],
  ['as a member of JSON in hexadecimal', (bytes) => text({ evidence: { inner: [toHex(bytes)] } })],
  ['as JSON numbers', (bytes) => text({ evidence: [...bytes] })],
  ['as JSON in base64 in JSON', (bytes) => text({ report: toBase64(text({ report: toBase64(bytes) })) })],
]

let silicon: Silicon
let anchors: TrustAnchors
const clock = settableClock()
const at = clock.now()
beforeAll(async () => {
  silicon = await createSilicon({ keys: memoryKeyStore(), clock })
  anchors = silicon.anchors
}, making)

const verdict = async (...pieces: Piece[]): Promise<string> => {
  const found = await judge({ pieces, anchors, at })
  return found.code ?? found.verdict
}

describe('evidence of SEV-SNP', { timeout: making }, () => {
  let report: Uint8Array
  let amd: Awaited<ReturnType<Silicon['amd']['endorsements']>>
  beforeAll(async () => {
    const guest = await silicon.amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
    report = await guest.report(new Uint8Array(64).fill(9))
    amd = await silicon.amd.endorsements()
  }, making)

  it.each(forms)('%s is judged: the genuine accepted, the altered refused', async (_, write) => {
    const chain = detect('chain', text(amd.vcekPem + amd.chainPem))
    expect(await verdict(...detect('report', write(report)), ...chain)).toBe('accepted')
    const altered = Uint8Array.from(report)
    altered[0x90]! ^= 1
    expect(await verdict(...detect('report', write(altered)), ...chain)).toBe('ReportSignatureInvalid')
  })

  it.each(forms.slice(0, 7))('has a chain %s', async (_, write) => {
    const chain = [amd.vcek, amd.ask, amd.ark].flatMap((der, index) => detect(`certificate ${index}`, write(der)))
    expect(await verdict(...detect('report', report), ...chain)).toBe('accepted')
  })

  it('has a chain in one file in any order, as concatenated DER, or as Azure’s metadata service gives it', async () => {
    for (const file of [
      text(toPem([amd.ark, amd.vcek, amd.ask])),
      concat(amd.vcek, amd.ask, amd.ark),
      text({ vcekCert: amd.vcekPem, tcbm: amd.tcbm, certificateChain: amd.chainPem, cacheControl: '86400' }),
    ]) {
      expect(await verdict(...detect('report', report), ...detect('chain', file))).toBe('accepted')
    }
  })

  const table = (entries: readonly (readonly [guid: string, content: Uint8Array])[]): Uint8Array => {
    const writer = new ByteWriter()
    let offset = 24 * (entries.length + 1)
    for (const [guid, content] of entries) {
      // In the order of the text (RFC 4122), as hosts write them.
      writer
        .bytes(fromHex(guid.replaceAll('-', '')))
        .u32le(offset)
        .u32le(content.length)
      offset += content.length
    }
    return concat(writer.zero(24).finish(), ...entries.map(([, content]) => content))
  }

  it('is found in the file of an extended request, report first and the host’s table behind it', async () => {
    const whole = table([
      ['63da758d-e664-4564-adc5-f4b93be8accd', amd.vcek],
      ['4ab7b379-bbac-4fe4-a02f-05aef327c782', amd.ask],
      ['c0b406a4-a803-4952-9743-3fb6014cd0ae', amd.ark],
      ['92f81bc3-5811-4d3d-97ff-d19f88dc67ea', amd.crl],
      ['00112233-4455-6677-8899-aabbccddeeff', utf8('a host’s own')],
    ])
    expect(await verdict(...detect('extended', concat(report, whole)))).toBe('accepted')
    expect(await verdict(...detect('report', report), ...detect('table', whole))).toBe('accepted')
    const inPem = table([
      ['c0b406a4-a803-4952-9743-3fb6014cd0ae', text(toPem([amd.ark]))],
      ['4ab7b379-bbac-4fe4-a02f-05aef327c782', text(toPem([amd.ask]))],
      ['63da758d-e664-4564-adc5-f4b93be8accd', text(toPem([amd.vcek]))],
      ['92f81bc3-5811-4d3d-97ff-d19f88dc67ea', text(toPem([amd.crl], 'X509 CRL'))],
    ])
    expect(await verdict(...detect('extended', concat(report, inPem)))).toBe('accepted')
    // Linux writes both as configfs-tsm files.
    for (const auxblob of [whole, inPem]) {
      const tsm = { auxblob: toBase64(auxblob), outblob: toBase64(report), provider: 'sev_guest\n' }
      expect(await verdict(...detect('tsm.json', text(tsm)))).toBe('accepted')
      const cut = { ...tsm, auxblob: toBase64(auxblob.subarray(0, 200)) }
      expect(detect('tsm.json', text(cut)).map(({ kind }) => kind)).toEqual(['unreadable', 'snp-report', 'unused'])
    }
    // A table that points outside is invalid, and a report with trailing bytes is not a report.
    const outside = Uint8Array.from(whole)
    outside[20] = 0xff
    outside[22] = 0xff
    expect(await verdict(...detect('extended', concat(report, outside)))).not.toBe('accepted')
  })

  it('is found in the firmware’s answer to a guest', async () => {
    const answer = new ByteWriter().u32le(0).u32le(report.length).zero(24).bytes(report).finish()
    const chain = detect('chain', text(amd.vcekPem + amd.chainPem))
    expect(await verdict(...detect('answer', answer), ...chain)).toBe('accepted')
  })

  it('is revoked by its root’s list in either form', async () => {
    const files = [...detect('report', report), ...detect('chain', text(amd.vcekPem + amd.chainPem))]
    for (const list of [amd.crl, text(toPem([amd.crl], 'X509 CRL')), text(toBase64(amd.crl))]) {
      const { check } = await judge({ pieces: [...files, ...detect('crl', list)], anchors, at })
      expect(check.children[0]?.children.find(({ id }) => id === 'snp.chain.revocation')?.outcome).toBe('passed')
    }
  })

  it('in a paravisor’s report of either generation is bound to its claims', async () => {
    const guest = await silicon.amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
    const n = toBase64Url(new Uint8Array(256).fill(0xc5))
    const generations = [
      // Before OpenHCL: an encryption key by name, few fields, no user data.
      {
        keys: [{ kid: 'HCLAkPub', key_ops: ['encrypt'], kty: 'RSA', e: 'AQAB', n }],
        'vm-configuration': { 'secure-boot': true },
      },
      {
        keys: [
          { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e: 'AQAB', n },
          { kid: 'HCLEkPub', key_ops: ['encrypt'], kty: 'RSA', e: 'AQAB', n },
        ],
        'vm-configuration': { 'secure-boot': true, 'tpm-persisted': false, vmUniqueId: 'A' },
        'user-data': 'AB'.repeat(64),
      },
    ]
    for (const [index, body] of generations.entries()) {
      const claims = text(body)
      const hardwareReport = await guest.report(await hclReportData(claims))
      const hcl = buildHclReport({ hardwareReport, reportType: 'SNP', claims, version: index === 0 ? 1 : 2 })
      const chain = detect('chain', text(amd.vcekPem + amd.chainPem))
      // As read from the NV index, zero-padded.
      const index2900 = concat(hcl, new Uint8Array(2900 - hcl.length))
      for (const bytes of [hcl, index2900]) expect(await verdict(...detect('hcl', bytes), ...chain)).toBe('accepted')
      const forged = Uint8Array.from(hcl)
      forged[forged.length - 3]! ^= 1
      expect(await verdict(...detect('hcl', forged), ...chain)).not.toBe('accepted')
    }
  })
})

describe('evidence of TDX', { timeout: making }, () => {
  let quote: Uint8Array
  let collateral: TdxCollateral
  let own: Piece[]
  beforeAll(async () => {
    const td = await silicon.intel.launch({ firmware: tinyFirmware() })
    quote = await silicon.intel.quote(await td.tdReport(new Uint8Array(64).fill(3)))
    collateral = await silicon.intel.collateral()
    own = [
      ...detect('tcb', text(collateral.tcbInfo)),
      ...detect('qe', text(collateral.qeIdentity)),
      ...detect('signer', text(collateral.tcbInfoIssuerChainPem)),
      ...detect('pck.crl', collateral.pckCrl),
      ...detect('root.crl', collateral.rootCaCrl),
    ]
  }, making)

  it.each(forms)('%s is judged: the genuine accepted, the altered refused', async (_, write) => {
    expect(await verdict(...detect('quote', write(quote)), ...own)).toBe('accepted')
    const altered = Uint8Array.from(quote)
    altered[200]! ^= 1
    expect(await verdict(...detect('quote', write(altered)), ...own)).toBe('QuoteSignatureInvalid')
  })

  it('has collateral in one JSON file, with lists in hexadecimal or base64', async () => {
    for (const encode of [toHex, toBase64]) {
      const bundle = {
        tcb_info: /^\{"tcbInfo":(.*),"signature":"[0-9a-f]+"\}$/.exec(collateral.tcbInfo)![1],
        tcb_info_signature: /"signature":"([0-9a-f]+)"\}$/.exec(collateral.tcbInfo)![1],
        tcb_info_issuer_chain: collateral.tcbInfoIssuerChainPem,
        qe_identity: /^\{"enclaveIdentity":(.*),"signature":"[0-9a-f]+"\}$/.exec(collateral.qeIdentity)![1],
        qe_identity_signature: /"signature":"([0-9a-f]+)"\}$/.exec(collateral.qeIdentity)![1],
        qe_identity_issuer_chain: collateral.qeIdentityIssuerChainPem,
        pck_crl: encode(collateral.pckCrl),
        root_ca_crl: encode(collateral.rootCaCrl),
      }
      expect(await verdict(...detect('quote', quote), ...detect('bundle', text(bundle)))).toBe('accepted')
    }
  })

  it('without one part of the collateral has no verdict, and with another platform’s is refused', async () => {
    for (const missing of ['tcb', 'qe', 'signer', 'pck.crl', 'root.crl']) {
      const rest = own.filter(({ name }) => !name.startsWith(missing))
      expect([missing, await verdict(...detect('quote', quote), ...rest)]).toEqual([missing, 'unjudged'])
    }
    const other = await createSilicon({ keys: memoryKeyStore(), clock })
    const theirs = await other.intel.collateral()
    const swapped = own.map((piece) => (piece.name === 'tcb' ? detect('tcb', text(theirs.tcbInfo))[0]! : piece))
    expect(await verdict(...detect('quote', quote), ...swapped)).toBe('CollateralSignatureInvalid')
  })

  it('at what is not a time is refused', async () => {
    const { verdict: found } = await judge({
      pieces: [...detect('quote', quote), ...own],
      anchors,
      at: new Date(Number.NaN),
    })
    expect(found).toBe('refused')
  })
})

describe('a key in a PEM file of its own', { timeout: making }, () => {
  it('is its giver’s word for the attestation key of a quote, on a curve too', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey))
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(32)))
    const message = new ByteWriter().u32be(0xff544347).u16be(0x8018).u16be(34).bytes(new Uint8Array(34).fill(1))
    message
      .u16be(4)
      .bytes(utf8('once'))
      .zero(25)
      .u32be(1)
      .u16be(0x000b)
      .u8(3)
      .bytes(Uint8Array.of(0x80, 0, 0))
    const bytes = message.u16be(32).bytes(digest).finish()
    const raw = new Uint8Array(
      await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, Uint8Array.from(bytes)),
    )
    const signature = new ByteWriter().u16be(0x0018).u16be(0x000b)
    signature.u16be(32).bytes(raw.subarray(0, 32)).u16be(32).bytes(raw.subarray(32))
    const quote = { message: toBase64(bytes), signature: toBase64(signature.finish()), pcrs: { 7: '00'.repeat(32) } }
    const judged = async (key: Uint8Array, nonce: string): Promise<string> => {
      const pieces = [...detect('quote', text(quote)), ...detect('ak.pem', text(toPem([key], 'PUBLIC KEY')))]
      const found = await judge({ pieces, anchors, at, policy: { tpm: { nonce: utf8(nonce) } } })
      return found.code ?? found.verdict
    }
    expect(await judged(spki, 'once')).toBe('KeyNotEndorsed')
    expect(await judged(spki, 'twice')).toBe('NonceMismatch')
    const other = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const theirs = new Uint8Array(await crypto.subtle.exportKey('spki', other.publicKey))
    expect(await judged(theirs, 'once')).toBe('TpmSignatureInvalid')
  })
})
