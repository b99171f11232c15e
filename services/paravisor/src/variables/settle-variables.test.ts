import { createHash, createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { concat, parsePem } from '@strongroom/evidence'
import {
  dbOwner,
  efiVendor,
  parseSignatureLists,
  parseVariableStore,
  predictPcr7,
  secureBootEnabled,
  secureBootState,
  signatureLists,
  variableData,
  variablesOfState,
  type EfiVariable,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'
import { issueSelfSigned } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { variableTemplates } from '../firmware/uefi-variables.ts'
import { writeVariableFlash } from '../firmware/variable-flash.ts'
import { publisher, type Publisher } from '../expected/publisher.ts'
import type { OwnerUpdate } from './judge-variables.ts'
import { settleVariables, type SettledVariables } from './settle-variables.ts'
import { consentVendor } from './variable-consent.ts'
import { decodeVariableRecord, encodeVariableRecord, type VariableRecord } from './variable-record.ts'

function makePublisher(name: string): Publisher & { certificate: Uint8Array } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const certificatePem = issueSelfSigned({
    subject: `CN=${name}`,
    privateKey,
    usages: ['codeSigning'],
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2056-01-01'),
  })
  return { ...publisher({ privateKey, certificatePem }), certificate: parsePem(certificatePem)[0]! }
}

const own = makePublisher('publisher')
const foreign = makePublisher('foreign')
const volumeKey = new Uint8Array(randomBytes(64))
const listOf = (...certificates: Uint8Array[]): Uint8Array => signatureLists({ owner: dbOwner, certificates })
const digests = (...bytes: number[]): Uint8Array =>
  signatureLists({ owner: dbOwner, sha256: bytes.map((byte) => new Uint8Array(32).fill(byte)) })

const made = { timestamp: new Uint8Array(16) }
const base = {
  PK: { data: listOf(own.certificate), ...made },
  KEK: { data: listOf(own.certificate), ...made },
  db: { data: listOf(own.certificate), ...made },
  dbx: { data: digests(1), ...made },
}
const authority = listOf(own.certificate).slice(28)
const first: VariableRecord = { base, authority, updates: [], now: base }
const enable: EfiVariable = {
  name: 'SecureBootEnable',
  vendor: efiVendor.secureBootEnable,
  attributes: 3,
  ...made,
  data: Uint8Array.of(1),
}
const other: EfiVariable = {
  name: 'BootOrder',
  vendor: efiVendor.global,
  attributes: 7,
  ...made,
  data: Uint8Array.of(1, 0),
}
const [, empty] = await variableTemplates()
const flashOf = (...variables: EfiVariable[]): Uint8Array => new Uint8Array(writeVariableFlash(empty!, variables))

const signed = (
  variable: SecureBootVariable,
  lists: Uint8Array,
  o: { by?: Publisher; append?: boolean; at?: string } = {},
): Uint8Array =>
  (o.by ?? own).signVariable({ variable, append: o.append ?? true, lists, at: new Date(o.at ?? '2026-11-29') })

/** What the guest's program leaves in the store, in several variables as where it is long. */
function consentOf(lines: string[], o: { sequence?: number; key?: Uint8Array } = {}): EfiVariable[] {
  const body = [`1 ${o.sequence ?? 0}`, ...lines].map((line) => `${line}\n`).join('')
  const mac = createHmac('sha256', o.key ?? volumeKey)
    .update(`strongroom-secure-boot:${body}`)
    .digest('hex')
  const text = Buffer.from(`${mac}\n${body}`)
  const chunks = Array.from({ length: Math.ceil(text.length / 1000) }, (_, at) =>
    text.subarray(at * 1000, at * 1000 + 1000),
  )
  return chunks
    .map((data, index) => ({ name: `StrongroomConsent${index}`, vendor: consentVendor, attributes: 7, ...made, data }))
    .toReversed()
}
const line = (variable: SecureBootVariable, update: Uint8Array): string =>
  `signed ${variable} ${Buffer.from(update).toString('base64')}`
const appendedLine = (dbx: Uint8Array): string => `appended dbx ${createHash('sha256').update(dbx).digest('hex')}`

/** What the next boot has, of a store with these variables instead of the VM's own. */
async function settle(
  o: {
    state?: Partial<VariableRecord['now']>
    consent?: EfiVariable[]
    extra?: EfiVariable[]
    owner?: OwnerUpdate[]
    record?: VariableRecord
  } = {},
): Promise<SettledVariables & { counts: number[]; register: Uint8Array }> {
  const record = o.record ?? first
  const found = [
    ...variablesOfState({ ...record.now, ...o.state }),
    enable,
    other,
    ...(o.consent ?? []),
    ...(o.extra ?? []),
  ]
  const settled = await settleVariables({
    record,
    flash: flashOf(...found),
    volumeKey,
    owner: o.owner ?? [],
    at: new Date('2026-11-29'),
  })
  const variables = parseVariableStore(settled.flash)
  const state = secureBootState(variables)
  const counts = (['PK', 'KEK', 'db', 'dbx'] as const).map((name) => parseSignatureLists(state[name].data).length)
  return { ...settled, counts, register: await predictPcr7({ variables, authority }) }
}

const untouched = [1, 1, 1, 1]
const dbxOf = (...parts: Uint8Array[]): { dbx: typeof base.dbx } => ({
  dbx: { data: concat(base.dbx.data, ...parts), ...made },
})

describe('the Secure Boot variables of the next boot', () => {
  it('follow a signed update that the guest consented to, whatever its firmware made of it', async () => {
    const update = signed('dbx', digests(2))
    for (const state of [dbxOf(digests(2)), {}]) {
      const settled = await settle({ state, consent: consentOf([line('dbx', update)]) })
      expect(settled).toMatchObject({ recordChanged: true, notices: [], counts: [1, 1, 1, 2] })
      expect(settled.record.updates).toMatchObject([{ variable: 'dbx', by: 'guest', signed: update }])
      expect(settled.register).not.toEqual((await settle()).register)
    }
  })

  it('follow several of one boot, each under the keys that those before it left', async () => {
    const lines = [
      line('KEK', signed('KEK', listOf(foreign.certificate))),
      line('db', signed('db', listOf(foreign.certificate), { by: foreign })),
      line('dbx', signed('dbx', digests(5), { by: foreign })),
    ]
    expect(await settle({ consent: consentOf(lines) })).toMatchObject({ notices: [], counts: [1, 2, 2, 2] })
  })

  it('follow what the firmware appended to dbx where the guest consented, without a signature', async () => {
    const state = dbxOf(digests(2, 3))
    const settled = await settle({ state, consent: consentOf([appendedLine(state.dbx.data)]) })
    expect(settled).toMatchObject({ notices: [], counts: [1, 1, 1, 3] })
    expect(settled.record.updates).toMatchObject([{ variable: 'dbx', by: 'guest', appended: digests(2, 3) }])
  })

  it('follow an update of the owner’s, once, and are not taken back to it later', async () => {
    const owner = [{ variable: 'db' as const, signed: signed('db', listOf(foreign.certificate)) }]
    const settled = await settle({ owner })
    expect(settled).toMatchObject({ recordChanged: true, notices: [], counts: [1, 1, 2, 1] })
    expect(settled.record.updates).toMatchObject([{ by: 'owner' }])
    const without = signed('db', listOf(own.certificate), { append: false, at: '2026-11-30' })
    const later = await settle({
      record: settled.record,
      owner,
      consent: consentOf([line('db', without)], { sequence: 1 }),
    })
    expect(later.counts).toEqual(untouched)
    expect(await settle({ record: later.record, owner })).toMatchObject({ counts: untouched, recordChanged: false })
  })

  it('keep everything else that the guest has in its store, and nothing that it said to the paravisor', async () => {
    const { flash, record } = await settle({ consent: consentOf([line('dbx', signed('dbx', digests(2)))]) })
    const variables = parseVariableStore(new Uint8Array(flash))
    expect(variableData(variables, 'BootOrder', efiVendor.global)).toEqual(Uint8Array.of(1, 0))
    expect(secureBootEnabled(variables)).toBe(true)
    const said = variables.filter(({ vendor }) => vendor === consentVendor)
    expect(said.map(({ name }) => name)).toEqual(['StrongroomState'])
    const dbx = createHash('sha256').update(record.now.dbx.data).digest('hex')
    expect(Buffer.from(said[0]!.data).toString()).toBe(`1 1 ${dbx}\n`)
    const again = await settleVariables({ record, flash, volumeKey, owner: [], at: new Date() })
    expect(again).toMatchObject({ flash, recordChanged: false, notices: [] })
  })

  it('are kept with every update, in the guest state', async () => {
    const { record } = await settle({ consent: consentOf([line('dbx', signed('dbx', digests(2)))]) })
    expect(decodeVariableRecord(encodeVariableRecord(record))).toEqual(record)
    expect(() => decodeVariableRecord(Buffer.from('{"version":1}'))).toThrow('malformed')
  })
})

describe('Secure Boot variables that nobody is entitled to change', () => {
  it.each([
    ['an older dbx', { dbx: { data: new Uint8Array(), ...made } }],
    ['a newer dbx without consent', dbxOf(digests(9))],
    [
      'keys of the host’s',
      {
        PK: { data: listOf(foreign.certificate), ...made },
        KEK: { data: listOf(foreign.certificate), ...made },
        db: { data: listOf(foreign.certificate), ...made },
      },
    ],
    ['a further db entry', { db: { data: listOf(own.certificate, foreign.certificate), ...made } }],
  ])('are restored where the store holds %s (attack H15)', async (_what, state) => {
    const settled = await settle({ state })
    expect(settled).toMatchObject({ recordChanged: false, counts: untouched, register: (await settle()).register })
    expect(settled.notices.join()).toContain('restored')
  })

  it('are restored where the store suspends the checks of signatures (attack H15)', async () => {
    const custom = {
      name: 'CustomMode',
      vendor: 'c076ec0c-7028-4399-a072-71ee5c448b9f',
      attributes: 3,
      ...made,
      data: Uint8Array.of(1),
    }
    const off = { ...enable, data: Uint8Array.of(0) }
    const settled = await settleVariables({
      record: first,
      flash: flashOf(...variablesOfState(base), off, custom),
      volumeKey,
      owner: [],
      at: new Date(),
    })
    const variables = parseVariableStore(settled.flash)
    expect(secureBootEnabled(variables)).toBe(true)
    expect(variables.some(({ name }) => name === 'CustomMode')).toBe(false)
  })

  const update = signed('dbx', digests(2))
  it.each([
    ['is of another VM', consentOf([line('dbx', update)], { key: new Uint8Array(64) })],
    [
      'has the MAC of another text',
      consentOf([line('dbx', update)]).map((each) => ({
        ...each,
        data: Buffer.from(each.data.toString().replace('signed dbx', 'signed db')),
      })),
    ],
    ['is of another state, and so of an earlier time', consentOf([line('dbx', update)], { sequence: 3 })],
    ['is signed by a key that is not in KEK', consentOf([line('dbx', signed('dbx', digests(2), { by: foreign }))])],
    ['is not signed', consentOf([line('db', listOf(foreign.certificate))])],
    ['is in an unknown form', consentOf(['signed boot AAAA'])],
    ['appends to dbx something else than was consented to', consentOf([appendedLine(digests(3))])],
    [
      'takes the key of the boot file out of db',
      consentOf([line('db', signed('db', listOf(foreign.certificate), { append: false }))]),
    ],
    ['revokes the key of the boot file', consentOf([line('dbx', signed('dbx', listOf(own.certificate)))])],
  ])('do not follow an update from inside that %s (attack H15)', async (_what, consent) => {
    const settled = await settle({ consent, state: dbxOf(digests(2)) })
    expect(settled).toMatchObject({ recordChanged: false, counts: untouched })
    expect(settled.notices.length).toBeGreaterThan(0)
  })

  it('do not follow an update of the owner’s or the host’s that KEK did not sign (attack H15)', async () => {
    const owner = [{ variable: 'db' as const, signed: signed('db', listOf(foreign.certificate), { by: foreign }) }]
    const settled = await settle({ owner })
    expect(settled).toMatchObject({ recordChanged: false, counts: untouched })
    expect(settled.notices.join()).toContain('signed by a key that KEK does not hold')
  })

  it('do not follow what shortened dbx, with the guest’s consent or without (attack H15)', async () => {
    const record = (await settle({ consent: consentOf([line('dbx', update)]) })).record
    const state = { dbx: base.dbx }
    const consent = consentOf([appendedLine(base.dbx.data)], { sequence: 1 })
    expect(await settle({ record, state, consent })).toMatchObject({ counts: [1, 1, 1, 2], recordChanged: false })
  })

  it('do not follow the same update again: what a later one removed does not come back (attack H15)', async () => {
    const adding = consentOf([line('db', signed('db', listOf(foreign.certificate)))])
    const { record } = await settle({ consent: adding })
    const removing = consentOf(
      [line('db', signed('db', listOf(own.certificate), { append: false, at: '2026-11-30' }))],
      { sequence: 1 },
    )
    const removed = (await settle({ record, consent: removing })).record
    const again = await settle({ record: removed, consent: adding })
    expect(again).toMatchObject({ counts: untouched, recordChanged: false })
  })
})
