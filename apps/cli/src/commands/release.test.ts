import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { sealed } from '../release/envelope.ts'
import { fileDigest } from '../release/file-digest.ts'
import { statementOf, type BuiltFrom, type Statement } from '../release/statement.ts'
import { releaseCommands } from './release.ts'

const from: BuiltFrom = {
  version: '1.2.3',
  commit: 'c'.repeat(40),
  lockFile: 'd'.repeat(64),
  builder: 'https://ci.example/release',
  source: 'git+https://example.org/strongroom',
}
const releaser = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ed25519')
let directory: string
const at = (name: string): string => join(directory, name)
const names = ['strongroom-1.2.3.tgz', 'strongroom_1.2.3_amd64.deb']
let statement: Statement

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'release-'))
  for (const name of names) await writeFile(at(name), `content of ${name}`)
  const subjects = await Promise.all(names.map(async (name) => ({ name, sha256: await fileDigest(at(name)) })))
  statement = statementOf(subjects, from)
  await writeFile(at('key.pem'), releaser.publicKey.export({ format: 'pem', type: 'spki' }))
  await writeFile(at('statement.json'), sealed(statement, releaser.privateKey))
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const run = async (files: string[], options: Record<string, string> = {}): Promise<Result | undefined> => {
  const [verify] = releaseCommands
  const args = [at('statement.json'), ...files.map(at)]
  return await verify!.run({ args, options: { key: at('key.pem'), ...options } } as unknown as CommandContext)
}
const refusal = async (files = names, options: Record<string, string> = {}): Promise<unknown> =>
  await run(files, options).then(
    () => 'accepted',
    (error: { code: string; exitCode: number; detail: { innererror?: object } }) => [error.code, error.exitCode],
  )

/** A forger's envelope, over any text and type. */
function envelope(
  payload: string,
  key: KeyObject,
  o: { type?: string; signedType?: string; keyid?: string } = {},
): string {
  const type = o.type ?? 'application/vnd.in-toto+json'
  const signedType = o.signedType ?? type
  const message = `DSSEv1 ${signedType.length} ${signedType} ${Buffer.byteLength(payload)} ${payload}`
  const sig = sign(null, Buffer.from(message), key).toString('base64')
  return JSON.stringify({
    payloadType: type,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: o.keyid, sig }],
  })
}

describe('strongroom release verify', () => {
  it('accepts what was released, and says by whom and from what', async () => {
    const result = await run(names, { builder: from.builder, commit: from.commit.toUpperCase() })
    expect(result?.data).toMatchObject({
      verified: names,
      version: '1.2.3',
      builder: from.builder,
      commit: from.commit,
    })
    expect(result?.lines).toEqual([
      `✓ ${names[0]}`,
      `✓ ${names[1]}`,
      'version: 1.2.3',
      `builder: ${from.builder}`,
      `commit:  ${from.commit}`,
    ])
  })

  it('is of a statement that is the same bytes whenever it is made, in whatever order its files come', () => {
    const subjects = statement.subject.map(({ name, digest }) => ({ name, sha256: digest.sha256 }))
    expect(sealed(statementOf(subjects.toReversed(), from), releaser.privateKey)).toBe(
      sealed(statement, releaser.privateKey),
    )
  })

  it('refuses a file that was changed, or stands under the name of another (attack W36)', async () => {
    await writeFile(at(names[0]!), 'content of somebody else')
    expect(await refusal()).toEqual(['ProvenanceMismatch', 6])
    expect(await refusal([names[1]!])).toBe('accepted')
    await writeFile(at(names[0]!), `content of ${names[1]}`)
    expect(await refusal([names[0]!])).toEqual(['ProvenanceMismatch', 6])
  })

  it('refuses a file that the statement does not name (attack W36)', async () => {
    await mkdir(at('other'))
    await writeFile(at('other.tgz'), `content of ${names[0]}`)
    expect(await refusal(['other.tgz'])).toEqual(['ProvenanceMismatch', 6])
  })

  it('refuses another builder and another commit than the reader names (attack W36)', async () => {
    expect(await refusal(names, { builder: 'https://ci.example/release2' })).toEqual(['ProvenanceMismatch', 6])
    expect(await refusal(names, { commit: 'e'.repeat(40) })).toEqual(['ProvenanceMismatch', 6])
  })

  it('refuses a statement that somebody else signed, under the releaser’s key id too (attack W36)', async () => {
    await writeFile(at('statement.json'), sealed(statement, stranger.privateKey))
    expect(await refusal()).toEqual(['ProvenanceNotSigned', 6])
    const { signatures } = JSON.parse(sealed(statement, releaser.privateKey)) as { signatures: [{ keyid: string }] }
    const forged = envelope(JSON.stringify(statement), stranger.privateKey, { keyid: signatures[0].keyid })
    await writeFile(at('statement.json'), forged)
    expect(await refusal()).toEqual(['ProvenanceNotSigned', 6])
  })

  it('refuses a statement of which any part was changed: subject, builder, commit, signature (attack W36)', async () => {
    const whole = JSON.parse(sealed(statement, releaser.privateKey)) as {
      payload: string
      signatures: { sig: string }[]
    }
    const payload = Buffer.from(whole.payload, 'base64').toString()
    const edits = [
      [statement.subject[0]!.digest.sha256, 'a'.repeat(64)],
      [from.builder, 'https://ci.example/other00'],
      [from.commit, 'f'.repeat(40)],
      [names[0]!, 'strongroom-9.9.9.tgz'],
    ] as const
    for (const [was, is] of edits) {
      const changed = Buffer.from(payload.replace(was, is)).toString('base64')
      await writeFile(at('statement.json'), JSON.stringify({ ...whole, payload: changed }))
      expect(await refusal(), is).toEqual(['ProvenanceNotSigned', 6])
    }
    await writeFile(
      at('statement.json'),
      JSON.stringify({ ...whole, signatures: [{ sig: Buffer.alloc(64).toString('base64') }] }),
    )
    expect(await refusal()).toEqual(['ProvenanceNotSigned', 6])
    await writeFile(at('statement.json'), JSON.stringify({ ...whole, signatures: [] }))
    expect(await refusal()).toEqual(['ProvenanceMalformed', 6])
  })

  it('takes no signature of the releaser’s over something else for one over a statement (attack W36)', async () => {
    const text = JSON.stringify(statement)
    await writeFile(at('statement.json'), envelope(text, releaser.privateKey, { signedType: 'text/plain' }))
    expect(await refusal()).toEqual(['ProvenanceNotSigned', 6])
    await writeFile(at('statement.json'), envelope(text, releaser.privateKey, { type: 'text/plain' }))
    expect(await refusal()).toEqual(['ProvenanceMalformed', 6])
    const others: [string, unknown][] = [
      ['another predicate', { ...statement, predicateType: 'https://slsa.dev/verification_summary/v1' }],
      ['a member that nobody knows', { ...statement, extra: 1 }],
      ['no subject', { ...statement, subject: [] }],
      ['a path', { ...statement, subject: [{ name: '../x', digest: { sha256: 'a'.repeat(64) } }] }],
    ]
    for (const [what, other] of others) {
      await writeFile(at('statement.json'), envelope(JSON.stringify(other), releaser.privateKey))
      expect(await refusal(), what).toEqual(['ProvenanceMalformed', 6])
    }
    const twice = text.replace('"subject":', '"subject":[],"subject":')
    await writeFile(at('statement.json'), envelope(twice, releaser.privateKey))
    expect(await refusal(), 'a member twice').toEqual(['ProvenanceMalformed', 6])
  })

  it('wants a key that the reader names, of the kind that signs releases', async () => {
    expect(await refusal(names, { key: '' })).toEqual(['InvalidArgument', 2])
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    await writeFile(at('rsa.pem'), rsa.export({ format: 'pem', type: 'spki' }))
    expect(await refusal(names, { key: at('rsa.pem') })).toEqual(['InvalidArgument', 2])
    await writeFile(at('none.pem'), 'no key')
    expect(await refusal(names, { key: at('none.pem') })).toEqual(['InvalidArgument', 2])
    expect(await refusal(['gone.tgz'])).toEqual(['ProvenanceMismatch', 6])
    await rm(at(names[0]!))
    expect(await refusal()).toEqual(['InvalidArgument', 2])
  })
})
