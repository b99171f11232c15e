import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePem, toBase64Url, toHex } from '@strongroom/evidence'
import {
  authenticatedContent,
  dbOwner,
  efiTime,
  measureVariables,
  predictPcr7,
  signatureLists,
  variableDigest,
  variablesOfState,
  variableVendor,
  writeAuthenticatedVariable,
  type ImageMeasurements,
  type SecureBootVariable,
} from '@strongroom/evidence/expected'
import { afterAll, expect, it } from 'vitest'
import { variablesLink } from './variables-link.ts'

const folder = mkdtempSync(join(tmpdir(), 'strongroom-variables-link-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] })

interface Key {
  file: string
  certificate: Uint8Array
}
function makeKey(name: string): Key {
  const file = join(folder, name)
  const files = ['-keyout', `${file}.key`, '-out', `${file}.pem`]
  openssl('req', '-new', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, ...files)
  return { file, certificate: parsePem(readFileSync(`${file}.pem`, 'utf8'))[0]! }
}

const own = makeKey('publisher')
const foreign = makeKey('foreign')
const listOf = ({ certificate }: Key): Uint8Array => signatureLists({ owner: dbOwner, certificates: [certificate] })
const digests = (byte: number): Uint8Array =>
  signatureLists({ owner: dbOwner, sha256: [new Uint8Array(32).fill(byte)] })
const content = (data: Uint8Array) => ({ data, timestamp: new Uint8Array(16) })
const state = {
  PK: content(listOf(own)),
  KEK: content(listOf(own)),
  db: content(listOf(own)),
  dbx: content(digests(1)),
}
const authority = listOf(own).slice(28)
const { variables } = await measureVariables({ variables: variablesOfState(state), authority: undefined })
const ofAuthority = await variableDigest({ name: 'db', vendor: variableVendor('db'), data: authority })
const image = { variables: { on: { variables, authority: ofAuthority } } } as ImageMeasurements

type Facts = NonNullable<Parameters<typeof variablesLink>[0]>
const base = Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, toBase64Url(data)])) as Facts['base'] // prettier-ignore
const by = { by: 'guest', at: '2026-11-29T06:00:00.000Z' } as const

function signed(
  variable: SecureBootVariable,
  data: Uint8Array,
  o: { who?: Key; append?: boolean } = {},
): Facts['updates'][number] {
  // prettier-ignore
  const { who = own, append = true } = o
  const timestamp = efiTime(new Date('2026-11-29'))
  const input = join(folder, 'content')
  writeFileSync(input, authenticatedContent({ variable, append, timestamp, data }))
  const form = ['-sign', '-binary', '-noattr', '-outform', 'DER', '-md', 'sha256', '-in', input]
  const signedData = openssl('cms', ...form, '-signer', `${who.file}.pem`, '-inkey', `${who.file}.key`)
  return { variable, signed: toBase64Url(writeAuthenticatedVariable({ timestamp, signedData, data })), ...by }
}
const facts = (...updates: Facts['updates']): Facts => ({ base, updates })

it('predicts the register of the image’s variables after the updates, and shows each from what to what', async () => {
  expect(await variablesLink(undefined, image)).toEqual({ measured: image.variables.on, updates: 0, shows: [] })
  const found = await variablesLink(facts(signed('dbx', digests(2)), { variable: 'dbx', appended: toBase64Url(digests(3)), ...by }), image) // prettier-ignore
  const dbx = Buffer.concat([state.dbx.data, digests(2), digests(3)])
  const after = { ...state, dbx: content(new Uint8Array(dbx)) }
  const wanted = await measureVariables({ variables: variablesOfState(after), authority })
  expect(found).toMatchObject({ measured: wanted, updates: 2 })
  expect(found.shows.slice(0, 2)).toEqual([
    'Secure Boot: dbx was appended to, 1 → 2 entries, signed by publisher, from inside the VM on 2026-11-29T06:00:00.000Z',
    'Secure Boot: dbx was appended to, 2 → 3 entries, appended by the VM’s firmware, from inside the VM on 2026-11-29T06:00:00.000Z',
  ])
  expect(found.shows[2]).toMatch(/^dbx is measured as [0-9a-f]{16}…, and was [0-9a-f]{16}… of the image$/)
  expect(toHex(await predictPcr7({ variables: variablesOfState(after), authority }))).toHaveLength(64)
})

it.each([
  ['that KEK’s key did not sign', facts(signed('db', listOf(foreign), { who: foreign })), 'SecureBootUpdateRefused'],
  ['that is not signed, of db', facts({ variable: 'db', appended: toBase64Url(listOf(foreign)), ...by }), 'SecureBootUpdateNotSigned'], // prettier-ignore
  ['that takes the publisher out of db', facts(signed('db', listOf(foreign), { append: false })), 'AnotherPublisher'],
  ['that begin with another dbx than the image’s', { ...facts(signed('dbx', digests(2))), base: { ...base, dbx: '' } }, 'AnotherSecureBootVariable'], // prettier-ignore
] as [string, Facts, string][])('refuses updates %s (attack H15)', async (_what, updates, code) => {
  await expect(variablesLink(updates, image)).rejects.toMatchObject({ code })
})

it('refuses fewer updates than a boot had that was trusted (attack H15)', async () => {
  const one = facts(signed('dbx', digests(2)))
  expect((await variablesLink(one, image, 1)).updates).toBe(1)
  for (const updates of [one, undefined])
    await expect(variablesLink(updates, image, 2)).rejects.toMatchObject({ code: 'SecureBootRolledBack' })
})
