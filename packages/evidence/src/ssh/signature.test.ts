import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { utf8 } from '../core/bytes/bytes.ts'
import { parseSshSignature, verifySshSignature } from './signature.ts'

const folder = mkdtempSync(join(tmpdir(), 'strongroom-ssh-'))
afterAll(() => rmSync(folder, { recursive: true }))

function keyOf(name: string, ...args: string[]): { path: string; line: string } {
  const path = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-N', '', '-f', path, '-C', 'a b', ...args])
  return { path, line: readFileSync(`${path}.pub`, 'utf8').trim() }
}

const text = 'line one\nline two\n'
const namespace = 'test@strongroom'
const signWith = (path: string, o: { text?: string; namespace?: string } = {}): string =>
  execFileSync('ssh-keygen', ['-Y', 'sign', '-f', path, '-n', o.namespace ?? namespace], {
    input: o.text ?? text,
    stdio: 'pipe',
  }).toString()

const kinds = [
  ['ssh-ed25519', ['-t', 'ed25519']],
  ['ssh-rsa', ['-t', 'rsa', '-b', '2048']],
  ['ecdsa-sha2-nistp256', ['-t', 'ecdsa', '-b', '256']],
  ['ecdsa-sha2-nistp521', ['-t', 'ecdsa', '-b', '521']],
] as const
const keys = new Map(kinds.map(([kind, args]) => [kind, keyOf(kind, ...args)]))
const { path, line } = keys.get('ssh-ed25519')!
const made = signWith(path)
const refused = (code: string): unknown => expect.objectContaining({ code })
const verify = async (o: Partial<Parameters<typeof verifySshSignature>[0]> = {}): Promise<string> =>
  await verifySshSignature({ message: utf8(text), signature: made, namespace, keys: [line], ...o })

describe('a signature of ssh-keygen', () => {
  it.each(kinds.map(([kind]) => kind))(
    'verifies under a key of the kind %s, and not over another text',
    async (kind) => {
      const key = keys.get(kind)!
      const signature = signWith(key.path)
      expect(await verify({ signature, keys: [line, key.line] })).toBe(key.line)
      await expect(verify({ signature, keys: [key.line], message: utf8(`${text} `) })).rejects.toEqual(
        refused('TokenSignatureInvalid'),
      )
    },
  )

  it('verifies without its armour', async () => {
    const bare = made.replace(/-----[^-]*-----/g, '').replace(/\s/g, '')
    expect(await verify({ signature: bare })).toBe(line)
  })

  it('is refused where another key made it, or for another purpose', async () => {
    await expect(verify({ keys: [keys.get('ssh-rsa')!.line] })).rejects.toEqual(refused('SigningKeyMismatch'))
    await expect(verify({ keys: [] })).rejects.toEqual(refused('SigningKeyMismatch'))
    const signature = signWith(path, { namespace: 'file' })
    await expect(verify({ signature })).rejects.toEqual(refused('BindingMismatch'))
  })

  it('is refused where any byte of it was changed', async () => {
    const bytes = Buffer.from(made.replace(/-----[^-]*-----/g, ''), 'base64')
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes)
      changed[index]! ^= 1
      await expect(verify({ signature: changed.toString('base64') }), `byte ${index}`).rejects.toThrow()
    }
  })

  it('is refused where it was cut short or has more behind it', () => {
    const bytes = Buffer.from(made.replace(/-----[^-]*-----/g, ''), 'base64')
    expect(() => parseSshSignature(bytes.subarray(0, -1).toString('base64'))).toThrow(/SSH signature/)
    expect(() => parseSshSignature(Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64'))).toThrow(/SSH signature/)
  })

  it('is what ssh-keygen itself verifies', () => {
    const file = join(folder, 'text')
    writeFileSync(`${file}.sig`, made)
    writeFileSync(join(folder, 'allowed'), `me ${line}\n`)
    const args = ['-Y', 'verify', '-f', join(folder, 'allowed'), '-I', 'me', '-n', namespace, '-s', `${file}.sig`]
    expect(execFileSync('ssh-keygen', args, { input: text }).toString()).toContain('Good')
  })
})
