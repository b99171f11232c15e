import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { ParseError, VerificationError } from '../../core/errors.ts'
import { concat } from '../../core/bytes/bytes.ts'
import { parsePem } from '../../x509/pem.ts'
import { appendSignatureLists, parseSignatureLists, signatureLists } from '../../eventlog/signature-list.ts'
import { corpusDirectory, hasCorpus } from '../../testing/corpus-directory.ts'
import {
  authenticatedContent,
  efiTime,
  parseAuthenticatedVariable,
  writeAuthenticatedVariable,
} from './authenticated-variable.ts'
import { applySecureBootUpdate } from './secure-boot-update.ts'
import { secureBootState, type SecureBootState, type SecureBootVariable } from './secure-boot-variables.ts'
import { parseVariableStore } from './variable-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'secure-boot-update-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })
const at = (name: string): string => join(folder, name)

interface Key {
  name: string
  certificate: Uint8Array
}

/** @param o.issuer who issues the certificate; itself if absent */
function makeKey(name: string, o: { issuer?: Key; ca?: boolean } = {}): Key {
  const { issuer, ca = true } = o
  const request = ['req', '-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`]
  const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]
  const extension = ['-addext', `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`]
  const by = issuer === undefined ? [] : ['-CA', at(`${issuer.name}.pem`), '-CAkey', at(`${issuer.name}.key`)]
  openssl(...request, ...files, ...extension, ...by)
  return { name, certificate: parsePem(readFileSync(at(`${name}.pem`), 'utf8'))[0]! }
}

const owner = '5a1e0000-0000-4000-8000-000000000db1'
const platform = makeKey('platform')
const exchange = makeKey('exchange')
const delegate = makeKey('delegate', { issuer: exchange, ca: false })
const foreign = makeKey('foreign')
const listOf = (...keys: Key[]): Uint8Array =>
  signatureLists({ owner, certificates: keys.map(({ certificate }) => certificate) })
const digests = (...bytes: number[]): Uint8Array =>
  signatureLists({ owner, sha256: bytes.map((byte) => new Uint8Array(32).fill(byte)) })

const made = efiTime(new Date('2026-01-01'))
const content = (data: Uint8Array): SecureBootState['PK'] => ({ data, timestamp: made })
const state: SecureBootState = {
  PK: content(listOf(platform)),
  KEK: content(listOf(exchange)),
  db: content(digests(1)),
  dbx: content(digests(2)),
}

/** By OpenSSL, which knows nothing of ours: with signed attributes, or without as UEFI's tools sign. */
function signedBy(
  key: Key,
  o: { variable: SecureBootVariable; data: Uint8Array; append?: boolean; at?: string; attributes?: boolean },
): Uint8Array {
  const { variable, data, append = true } = o
  const timestamp = efiTime(new Date(o.at ?? '2026-11-29T06:00:00Z'))
  writeFileSync(at('content'), authenticatedContent({ variable, append, timestamp, data }))
  const form = ['-sign', '-binary', '-outform', 'DER', '-md', 'sha256', '-in', at('content')]
  const attributes = o.attributes === true ? [] : ['-noattr']
  const by = ['-signer', at(`${key.name}.pem`), '-inkey', at(`${key.name}.key`)]
  const signedData = openssl('cms', ...form, ...attributes, ...by)
  return writeAuthenticatedVariable({ timestamp, signedData, data })
}

const update = (key: Key, o: Parameters<typeof signedBy>[1]) => ({ variable: o.variable, signed: signedBy(key, o) })
const countOf = (after: SecureBootState, name: SecureBootVariable): number =>
  parseSignatureLists(after[name].data).length

describe('a signed update of a Secure Boot variable', () => {
  it('of dbx and db is taken of a key in KEK, and of one that it issued; of KEK and PK of the platform key', async () => {
    for (const key of [exchange, delegate])
      for (const attributes of [false, true])
        for (const variable of ['db', 'dbx'] as const) {
          const applied = await applySecureBootUpdate(state, update(key, { variable, data: digests(7), attributes }))
          expect([countOf(applied.state, variable), applied.append, applied.signer]).toEqual([2, true, key.name])
        }
    const enrolled = await applySecureBootUpdate(state, update(platform, { variable: 'KEK', data: listOf(foreign) }))
    expect(countOf(enrolled.state, 'KEK')).toBe(2)
    const after = await applySecureBootUpdate(enrolled.state, update(foreign, { variable: 'dbx', data: digests(9) }))
    expect(countOf(after.state, 'dbx')).toBe(2)
    const replaced = update(platform, { variable: 'PK', data: listOf(foreign), append: false })
    expect((await applySecureBootUpdate(state, replaced)).state.PK.data).toEqual(listOf(foreign))
  })

  it.each([
    ['db', foreign],
    ['dbx', foreign],
    ['db', platform],
    ['KEK', exchange],
    ['KEK', foreign],
    ['PK', exchange],
  ] as const)('of %s is not taken of another key (attack H15)', async (variable, key) => {
    const signed = update(key, { variable, data: listOf(foreign), append: variable !== 'PK' })
    await expect(applySecureBootUpdate(state, signed)).rejects.toMatchObject({ code: 'VariableSignerNotAllowed' })
  })

  it('is not taken of a certificate that one without authority issued, whoever it is (attack H15)', async () => {
    const below = makeKey('below', { issuer: delegate, ca: false })
    const withDelegate: SecureBootState = { ...state, KEK: content(listOf(delegate)) }
    const signed = update(below, { variable: 'dbx', data: digests(7) })
    await expect(applySecureBootUpdate(withDelegate, signed)).rejects.toMatchObject({
      code: 'VariableSignerNotAllowed',
    })
  })

  it('holds for the variable, the attributes, the time and the data that were signed, and no other (attack H15)', async () => {
    const { signed } = update(exchange, { variable: 'dbx', data: digests(7) })
    const code = 'VariableSignatureInvalid'
    await expect(applySecureBootUpdate(state, { variable: 'db', signed })).rejects.toMatchObject({ code })
    for (const place of [0, signed.length - 1]) {
      const other = signed.slice()
      other[place]! ^= 1
      await expect(applySecureBootUpdate(state, { variable: 'dbx', signed: other })).rejects.toMatchObject({ code })
    }
    const none = { ...parseAuthenticatedVariable(signed), signedData: new Uint8Array() }
    const unsigned = writeAuthenticatedVariable(none)
    await expect(applySecureBootUpdate(state, { variable: 'dbx', signed: unsigned })).rejects.toBeInstanceOf(ParseError)
  })

  it('that replaces has to be later than the one before: an older dbx does not come back (attack H15)', async () => {
    const newer = update(exchange, { variable: 'dbx', data: digests(2, 3), append: false })
    const older = update(exchange, { variable: 'dbx', data: digests(), append: false, at: '2026-06-01T00:00:00Z' })
    const { state: after } = await applySecureBootUpdate(state, newer)
    expect(countOf(after, 'dbx')).toBe(2)
    for (const again of [older, newer])
      await expect(applySecureBootUpdate(after, again)).rejects.toMatchObject({ code: 'VariableNotNewer' })
    const appended = update(exchange, { variable: 'dbx', data: digests(4), at: '2026-06-01T00:00:00Z' })
    const last = (await applySecureBootUpdate(after, appended)).state
    expect(countOf(last, 'dbx')).toBe(3)
    await expect(applySecureBootUpdate(last, newer)).rejects.toMatchObject({ code: 'VariableNotNewer' })
  })

  it('leaves a platform key and a key that signs updates', async () => {
    const code = 'VariableNotAllowed'
    for (const variable of ['PK', 'KEK'] as const) {
      const emptied = update(platform, { variable, data: new Uint8Array(), append: false })
      await expect(applySecureBootUpdate(state, emptied)).rejects.toMatchObject({ code })
    }
    const second = update(platform, { variable: 'PK', data: listOf(foreign) })
    await expect(applySecureBootUpdate(state, second)).rejects.toMatchObject({ code })
  })

  it('that appends leaves out what is there, as the firmware does', () => {
    const before = digests(1, 2)
    const after = appendSignatureLists(before, concat(digests(2, 3), digests(1), listOf(platform)))
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.slice(before.length)).toEqual(concat(digests(3), listOf(platform)))
  })

  it('without a signature appends to dbx, and does nothing else', async () => {
    const applied = await applySecureBootUpdate(state, { variable: 'dbx', appended: digests(8) })
    expect(applied.state).toEqual({ ...state, dbx: { data: concat(digests(2), digests(8)), timestamp: made } })
    await expect(applySecureBootUpdate(state, { variable: 'dbx', appended: Uint8Array.of(1) })).rejects.toBeInstanceOf(
      ParseError,
    )
  })
})

describe('a signed update from anybody', () => {
  it('is read, verified or refused, and never fails otherwise', async () => {
    const genuine = signedBy(exchange, { variable: 'dbx', data: digests(7) })
    const changes = fc.array(fc.record({ at: fc.nat(genuine.length - 1), value: fc.nat(255) }), { maxLength: 6 })
    const damaged = changes.map((each) => {
      const copy = genuine.slice()
      for (const { at: place, value } of each) copy[place] = value
      return copy
    })
    const cut = fc.nat(genuine.length).map((length) => genuine.slice(0, length))
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 400 }), damaged, cut), async (signed) => {
        try {
          const applied = await applySecureBootUpdate(state, { variable: 'dbx', signed })
          expect(countOf(applied.state, 'dbx')).toBe(2)
        } catch (error) {
          if (!(error instanceof VerificationError)) expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})

describe.skipIf(!hasCorpus)('Microsoft’s update of dbx of 29 April 2021', () => {
  const signed = (): Uint8Array =>
    new Uint8Array(readFileSync(join(corpusDirectory, 'google-go-eventlog/secure-boot/dbxupdate_x64-2021-04-29.bin')))
  const store = gunzipSync(readFileSync(join(import.meta.dirname, 'fixtures/uefi-variables.fd.gz')))

  it('is taken of Microsoft’s key in the KEK of Debian’s firmware, and of no other', async () => {
    const own = secureBootState(parseVariableStore(new Uint8Array(store)))
    const emptied: SecureBootState = { ...own, dbx: { data: new Uint8Array(), timestamp: new Uint8Array(16) } }
    const applied = await applySecureBootUpdate(emptied, { variable: 'dbx', signed: signed() })
    expect(applied.signer).toContain('Microsoft')
    expect(countOf(applied.state, 'dbx')).toBe(parseSignatureLists(parseAuthenticatedVariable(signed()).data).length)
    const others: SecureBootState = { ...emptied, KEK: content(listOf(foreign)) }
    const refused = applySecureBootUpdate(others, { variable: 'dbx', signed: signed() })
    await expect(refused).rejects.toMatchObject({ code: 'VariableSignerNotAllowed' })
  })
})
