import { buildHclReport, concat, toHex, utf8, type TrustAnchors } from '@strongroom/evidence'
import type { Said } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { creationMessage, quoteMessage, SoftwareTpm } from '../../packages/evidence/src/testing/software-tpm.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  chipId,
  issueChain,
  issueReport,
  openHierarchy,
  type Hierarchy,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import {
  issueQuote,
  openIntelHierarchy,
  type IntelHierarchy,
} from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { cborBytes, sign1, type Writable } from '../corpus/support/cbor-writer.ts'
import { judgeFiles, type Files } from './support/judged.ts'

/** What evidence states about its machine is shown before it is trusted, so it must be what the bytes contain. */
const anchors: TrustAnchors = { simulated: true, amd: [], intel: [] }
const judged = async (files: Files): ReturnType<typeof judgeFiles> => await judgeFiles(files, { anchors, at: now })
const said = async (files: Files, of = Object.keys(files)[0]): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await judged(files)).says.filter((row: Said) => row.of === of).map(({ what, value }) => [what, value]),
  )
const tcb = 'fmc 0, bootLoader 4, tee 1, snp 29, microcode 222'

let amd: Hierarchy
let intel: IntelHierarchy
let chain: string
beforeAll(async () => {
  amd = await openHierarchy()
  intel = await openIntelHierarchy()
  const { vcek, ask, ark } = await issueChain(amd)
  chain = toPem([vcek, ask, ark])
})

describe('a report of SEV-SNP says', () => {
  const of = async (change: (bytes: Uint8Array, view: DataView) => void): Promise<Record<string, string>> =>
    await said({ 'r.bin': await issueReport(amd.vcek, change) })

  it('what is in it, each by its name', async () => {
    const found = await of((bytes, view) => {
      bytes.fill(0x5a, 0x90, 0xc0).fill(0x3c, 0x50, 0x90)
      view.setUint32(0x30, 1, true)
    })
    expect(found).toEqual({
      'launch measurement': '5a'.repeat(48),
      'report data': '3c'.repeat(64),
      'privilege level': expect.stringMatching(/^VMPL 1, below /),
      TCB: `Milan: ${tcb}`,
      debugging: 'not allowed',
      migration: 'not allowed',
      chip: toHex(chipId),
    })
  })

  it('where nothing is confidential, bound or shown', async () => {
    const debugged = await of((_, view) => view.setBigUint64(8, 0xb001fn, true))
    expect(debugged['debugging']).toMatch(/^ALLOWED/)
    const migrated = await of((_, view) => view.setBigUint64(8, 0x7001fn, true))
    expect([migrated['debugging'], migrated['migration']]).toEqual(['not allowed', expect.stringMatching(/^ALLOWED/)])
    const bare = await of((bytes) => bytes.fill(0, 0x1a0, 0x1e0))
    expect(bare['chip']).not.toBe('00'.repeat(64))
    expect(bare['report data']).toMatch(/^zero: /)
    expect(bare['host data']).toBeUndefined()
    expect((await of((bytes) => bytes.fill(7, 0xc0, 0xe0)))['host data']).toBe('07'.repeat(32))
    const levels = await Promise.all(
      [0, 1, 2, 3].map(async (level) => (await of((_, view) => view.setUint32(0x30, level, true)))['privilege level']),
    )
    expect(levels.map((text) => text!.slice(0, 7))).toEqual(['VMPL 0,', 'VMPL 1,', 'VMPL 2,', 'VMPL 3,'])
    expect(new Set(levels.map((text) => text!.slice(8))).size).toBe(4)
  })

  it('its versions where its product is known, from the report or its key’s certificate', async () => {
    const second = await issueReport(amd.vcek, (bytes, view) => {
      view.setUint32(0, 2, true)
      bytes.fill(0, 0x188, 0x1a0)
    })
    expect((await said({ 'r.bin': second }))['TCB']).toMatch(/^0x[0-9a-f]+; /)
    expect((await said({ 'r.bin': second, 'chain.pem': chain }))['TCB']).toBe(`Milan: ${tcb}`)
    const report = await issueReport(amd.vcek)
    const shown = async (files: Files): Promise<string[]> => [
      ...new Set((await judged(files)).advisories.map(({ of: file }) => file)),
    ]
    expect(await shown({ 'r.bin': second })).toEqual([])
    expect(await shown({ ' r.bin ': report })).toEqual(['r.bin'])
    expect(await shown({ 'r.bin': second, 'chain.pem': chain })).toEqual(['r.bin'])
  })

  it('the same inside a paravisor’s report', async () => {
    const hardwareReport = await issueReport(amd.vcek, (bytes) => bytes.fill(0x5a, 0x90, 0xc0))
    const hcl = buildHclReport({ hardwareReport, reportType: 'SNP', claims: utf8('{}') })
    const found = await said({ 'hcl.bin': hcl })
    expect([found['launch measurement'], found['TCB']]).toEqual(['5a'.repeat(48), `Milan: ${tcb}`])
    expect((await judged({ 'hcl.bin': hcl })).advisories.map(({ of: file }) => file)).toContain('hcl.bin')
  })
})

describe('a TD’s quote says', () => {
  it('what is in it, also as a TDREPORT and inside a paravisor’s report', async () => {
    const quote = await issueQuote(intel, {
      td: (bytes) =>
        bytes
          .fill(0x11, 48, 64)
          .fill(0x22, 48 + 136, 48 + 184)
          .fill(0x33, 48 + 328, 48 + 376)
          .fill(0x44, 568, 632),
    })
    const zero = expect.stringMatching(/^zero: /)
    const rows = {
      'launch measurement': `MRTD ${'22'.repeat(48)}`,
      'register RTMR0': '33'.repeat(48),
      'register RTMR1': zero,
      'register RTMR2': zero,
      'register RTMR3': zero,
      'report data': '44'.repeat(64),
      TCB: expect.stringMatching(/ (?:11){16}$/),
      debugging: 'not allowed',
      migration: 'not allowed',
    }
    expect(await said({ 'q.bin': quote })).toEqual(rows)
    const body = quote.subarray(48, 48 + 584)
    const report = new Uint8Array(1024)
    report[0] = 0x81
    report.set(body.subarray(520), 128)
    report.set(body.subarray(0, 120), 264)
    report.set(body.subarray(120, 520), 512)
    expect(await said({ 'td.bin': report })).toEqual(rows)
    const hcl = buildHclReport({ hardwareReport: report, reportType: 'TDX', claims: utf8('{}') })
    expect(await said({ 'hcl.bin': hcl })).toEqual(rows)
    expect((await judged({ 'q.bin': quote, 'hcl.bin': hcl })).advisories).toEqual([])
    const open = await issueQuote(intel, { td: (bytes) => bytes.set([1, 0, 0, 0x20], 48 + 120) })
    const found = await said({ 'q.bin': open })
    expect([found['debugging'], found['migration']]).toEqual([
      expect.stringMatching(/^ALLOWED/),
      expect.stringMatching(/^ALLOWED/),
    ])
  })
})

describe('what a TPM, a token, a document and a realm say', () => {
  it('is their challenge, registers, issuer, times and measurement', async () => {
    const pcrs = new Map([
      [7, new Uint8Array(32)],
      [0, new Uint8Array(32)],
    ])
    expect(await said({ 'q.msg': quoteMessage(pcrs, { nonce: Uint8Array.of(1, 2) }) })).toEqual({
      'registers quoted': 'sha256: 0 7',
      'challenge answered': '0102',
    })
    expect((await said({ 'q.msg': quoteMessage(pcrs, { nonce: new Uint8Array() }) }))['challenge answered']).toBe(
      'none',
    )
    const name = new Uint8Array(34).fill(9)
    expect(await said({ 'c.msg': creationMessage(name) })).toEqual({ 'key that the TPM made': '09'.repeat(34) })
    const message = quoteMessage(pcrs, { nonce: Uint8Array.of(1, 2) })
    const quote = { message: toHex(message), signature: toHex(new SoftwareTpm().sign(message)) }
    expect(await said({ ' q.json ': quote }, 'q.json')).toEqual(await said({ 'q.msg': message }))
    // Of two banks, and not of a quote: a certified object.
    const banks = Uint8Array.of(0, 0, 0, 2, 0, 0x0b, 3, 1, 0, 0, 0, 4, 3, 2, 0, 0, 0, 0)
    const head = message.subarray(0, message.length - (4 + 6 + 2 + 32))
    expect((await said({ 'q.msg': concat(head, banks) }))['registers quoted']).toBe('sha256: 0; sha1: 1')
    const certified = concat(head, Uint8Array.of(0, 0, 0, 0))
    certified[5] = 0x17
    expect(await said({ 'q.msg': certified })).toEqual({ 'challenge answered': '0102' })
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = (claims: object): string => `${encode({ alg: 'RS256' })}.${encode(claims)}.AAAA`
    expect(await said({ 't.jwt': token({ iss: 'https://x', iat: 0, exp: 3600, n: 1 }) })).toEqual({
      issuer: 'https://x',
      issued: '1970-01-01T00:00:00.000Z',
      'valid until': '1970-01-01T01:00:00.000Z',
    })
    expect(await said({ 't.jwt': token({ iss: 5, iat: 'x' }) })).toStrictEqual({})
  })

  it('is nothing where it cannot be read', async () => {
    expect(
      (
        await judged({
          'r.bin': (await issueReport(amd.vcek)).subarray(0, 900),
          'q.bin': (await issueQuote(intel)).subarray(0, 500),
        })
      ).says,
    ).toEqual([])
    expect((await judged({ 'chain.pem': chain })).says).toEqual([])
  })

  it.each([
    [0x2fff, /^ALLOWED/],
    [0x3000, /^not allowed/],
    [0x30ff, /^not allowed/],
    [0x3100, /^ALLOWED/],
  ])(
    'is of a realm its measurement and challenge, and by its platform’s state %i whether it is read',
    async (state, debugging) => {
      const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, [
        'sign',
      ])
      const own = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey))
      const part = async (map: [number, Writable][]): Promise<Writable> =>
        cborBytes({ tag: 18, value: await sign1(cborBytes({ map }), privateKey) })
      const token = cborBytes({
        tag: 399,
        value: {
          map: [
            [
              44234,
              await part([
                [10, new Uint8Array(48)],
                [2396, new Uint8Array(32)],
                [256, new Uint8Array(33)],
                [2395, state],
              ]),
            ],
            [
              44241,
              await part([
                [10, new Uint8Array(64).fill(7)],
                [44235, new Uint8Array(64)],
                [44237, own],
                [44238, new Uint8Array(32).fill(8)],
                [44239, { list: [0, 1, 2, 3].map(() => new Uint8Array(32)) }],
                [44240, 'sha-384'],
              ]),
            ],
          ],
        },
      })
      expect(await said({ 't.cbor': token })).toEqual({
        'launch measurement': '08'.repeat(32),
        'challenge answered': '07'.repeat(64),
        debugging: expect.stringMatching(debugging),
      })
    },
  )

  it('is in AWS’s document what is not zero of its registers', async () => {
    const document = (members: Record<string, Writable | undefined>): Uint8Array => {
      const all: Record<string, Writable | undefined> = {
        module_id: 'i-1-enc2',
        digest: 'SHA384',
        timestamp: now.getTime(),
        pcrs: { map: [0, 1, 2].map((index): [number, Writable] => [index, new Uint8Array(48).fill(index)]) },
        certificate: Uint8Array.of(1),
        cabundle: { list: [Uint8Array.of(1)] },
        public_key: null,
        user_data: null,
        nonce: Uint8Array.of(1, 2, 3),
        ...members,
      }
      const given = Object.entries(all).filter((entry): entry is [string, Writable] => entry[1] !== undefined)
      const payload = cborBytes({ map: given })
      const header = cborBytes({ map: [[1, -35]] })
      return cborBytes({ list: [header, { map: [] }, payload, new Uint8Array(96)] })
    }
    const found = await said({ 'n.cbor': document({}) })
    expect(found).toEqual({
      'register 1': '01'.repeat(48),
      'register 2': '02'.repeat(48),
      issued: now.toISOString(),
      'challenge answered': '010203',
      'user data': 'none',
      debugging: expect.stringMatching(/^ALLOWED/),
    })
    for (const [members, debugging] of [
      [{ pcrs: { map: [[1, new Uint8Array(48).fill(5)]] } }, /^ALLOWED/],
      [{ pcrs: undefined, nitrotpm_pcrs: { map: [[0, new Uint8Array(48)]] } }, /^not allowed/],
    ] as [Record<string, Writable | undefined>, RegExp][])
      expect((await said({ 'n.cbor': document(members) }))['debugging']).toMatch(debugging)
    const registers: Writable = { map: [[0, new Uint8Array(48).fill(5)]] }
    expect(await said({ 'n.cbor': document({ pcrs: registers, user_data: Uint8Array.of(7), nonce: null }) })).toEqual({
      'register 0': '05'.repeat(48),
      issued: now.toISOString(),
      'challenge answered': 'none',
      'user data': '07',
      debugging: 'not allowed',
    })
  })
})
