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
import { vouch } from './known.ts'
import { Proof } from './link.ts'
import { verifiedVariables } from './variables.ts'

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

type Facts = NonNullable<Parameters<typeof verifiedVariables>[0]>
async function verified(
  facts: Facts | undefined,
  trusted = 0,
): Promise<{ measured: unknown; updates: number } & Pick<Proof, 'shows' | 'stated'>> {
  const proof = new Proof()
  const asked = { image: vouch(image, 'pinned key'), trusted: vouch(trusted, 'verifier'), proof }
  const { measured, updates } = await verifiedVariables(facts, asked)
  return { measured: measured.value, updates: updates.value, shows: proof.shows, stated: proof.stated }
}
const base = Object.fromEntries(
  Object.entries(state).map(([name, { data }]) => [name, toBase64Url(data)]),
) as Facts['base']
const by = { by: 'guest', at: '2026-11-29T06:00:00.000Z' } as const

function signed(
  variable: SecureBootVariable,
  data: Uint8Array,
  o: { who?: Key; append?: boolean } = {},
): Facts['updates'][number] {
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
  expect(await verified(undefined)).toEqual({ measured: image.variables.on, updates: 0, shows: [], stated: [] })
  const found = await verified(
    facts(signed('dbx', digests(2)), { variable: 'dbx', appended: toBase64Url(digests(3)), ...by }),
  )
  const dbx = Buffer.concat([state.dbx.data, digests(2), digests(3)])
  const after = { ...state, dbx: content(new Uint8Array(dbx)) }
  const wanted = await measureVariables({ variables: variablesOfState(after), authority })
  expect(found).toMatchObject({ measured: wanted, updates: 2 })
  expect(found.shows.slice(0, 2)).toEqual([
    'Secure Boot: dbx was appended to, 1 → 2 entries, signed by publisher',
    'Secure Boot: dbx was appended to, 2 → 3 entries, appended by the VM’s firmware',
  ])
  expect(found.stated).toEqual(Array(2).fill('that update came from inside the VM on 2026-11-29T06:00:00.000Z'))
  expect(found.shows[2]).toMatch(/^dbx is measured as [0-9a-f]{16}…, and was [0-9a-f]{16}… of the image$/)
  expect(toHex(await predictPcr7({ variables: variablesOfState(after), authority }))).toHaveLength(64)
})

it('has the image’s variables without an update, whatever the host shows them to be', async () => {
  const found = await verified({ base: { ...base, dbx: '' }, updates: [] })
  expect(found).toEqual({ measured: image.variables.on, updates: 0, shows: [], stated: [] })
})

it('shows an update that replaced a variable, and that its owner brought it', async () => {
  const update = { ...signed('dbx', digests(2), { append: false }), by: 'owner' as const }
  const found = await verified(facts(update))
  expect(found.shows[0]).toBe('Secure Boot: dbx was replaced, 1 → 1 entries, signed by publisher')
  expect(found.shows).toHaveLength(2)
  expect(found.stated).toEqual(['that update came from its owner on 2026-11-29T06:00:00.000Z'])
})

it('rests on the image and on how many updates were trusted', async () => {
  const proof = new Proof()
  const asked = { image: vouch(image, 'pinned key'), trusted: vouch(0, 'verifier'), proof }
  const { measured, updates } = await verifiedVariables(facts(signed('dbx', digests(2))), asked)
  for (const each of [measured, updates]) expect([...each.restsOn]).toEqual(['pinned key', 'verifier'])
  expect(proof.restsOn).toEqual(['pinned key', 'verifier'])
})

it('says what it expected of an update, and what it found', async () => {
  const dbx = image.variables.on.variables.find(({ name }) => name === 'dbx')!
  const other = { ...facts(signed('dbx', digests(2))), base: { ...base, dbx: toBase64Url(digests(7)) } }
  await expect(verified(other)).rejects.toMatchObject({
    message: 'The updates of Secure Boot variables begin with another dbx than the image’s.',
    expected: toHex(dbx.sha256),
    actual: toHex(await variableDigest({ name: 'dbx', vendor: variableVendor('dbx'), data: digests(7) })),
  })
  await expect(verified(facts({ variable: 'dbx', ...by }))).rejects.toMatchObject({
    code: 'SecureBootUpdateNotSigned',
    actual: 'dbx',
  })
  await expect(verified(facts(signed('db', listOf(foreign), { append: false })))).rejects.toMatchObject({
    code: 'AnotherPublisher',
    expected: toHex(ofAuthority),
    actual: 'another db',
  })
  await expect(verified(facts({ variable: 'dbx', signed: '', ...by }))).rejects.toMatchObject({
    code: 'SecureBootUpdateRefused',
    message: expect.stringMatching(/^An update of the Secure Boot variables does not hold: \S/) as string,
    expected: '16 bytes',
    actual: '0 bytes',
  })
  const unread = { variable: 'dbx', appended: toBase64Url(new Uint8Array(28)), ...by } as const
  await expect(verified(facts(unread))).rejects.toMatchObject({
    code: 'SecureBootUpdateRefused',
    expected: 'an update that the firmware takes',
    actual: 'another',
  })
})

it('knows an image whose variables are more than the four that updates name', async () => {
  const sha256 = await variableDigest({ name: 'dbt', vendor: variableVendor('dbt'), data: new Uint8Array() })
  const more = { on: { variables: [...variables, { name: 'dbt', sha256 }], authority: ofAuthority } }
  const proof = new Proof()
  const of = vouch({ variables: more } as ImageMeasurements, 'pinned key')
  const asked = { image: of, trusted: vouch(0, 'verifier'), proof }
  expect((await verifiedVariables(facts(signed('dbx', digests(2))), asked)).updates.value).toBe(1)
  const another = { on: { variables: [...variables, { name: 'dbt', sha256: new Uint8Array(32) }] } }
  const image2 = vouch({ variables: another } as unknown as ImageMeasurements, 'pinned key')
  await expect(verifiedVariables(facts(signed('dbx', digests(2))), { ...asked, image: image2 })).rejects.toMatchObject({
    code: 'AnotherSecureBootVariable',
  })
})

it.each([
  ['that KEK’s key did not sign', facts(signed('db', listOf(foreign), { who: foreign })), 'SecureBootUpdateRefused'],
  [
    'that is not signed, of db',
    facts({ variable: 'db', appended: toBase64Url(listOf(foreign)), ...by }),
    'SecureBootUpdateNotSigned',
  ],
  ['that takes the publisher out of db', facts(signed('db', listOf(foreign), { append: false })), 'AnotherPublisher'],
  [
    'that begin with another dbx than the image’s',
    { ...facts(signed('dbx', digests(2))), base: { ...base, dbx: '' } },
    'AnotherSecureBootVariable',
  ],
] as [string, Facts, string][])('refuses updates %s (attack H15)', async (_what, updates, code) => {
  await expect(verified(updates)).rejects.toMatchObject({ code })
})

it('refuses fewer updates than a boot had that was trusted (attack H15)', async () => {
  const one = facts(signed('dbx', digests(2)))
  expect((await verified(one, 1)).updates).toBe(1)
  for (const [updates, trusted, actual] of [
    [one, 2, '1 updates'],
    [undefined, 1, '0 updates'],
  ] as const)
    await expect(verified(updates, trusted)).rejects.toMatchObject({
      code: 'SecureBootRolledBack',
      expected: `${trusted} updates or more`,
      actual,
    })
})
