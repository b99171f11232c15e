import { execFile } from 'node:child_process'
import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  pbkdf2Sync,
  X509Certificate,
} from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { algorithms, integer, octetString, oid, sequence, tagged } from '@strongroom/der'
import { ParseError } from '@strongroom/evidence'
import { issueSelfSigned, ServiceError } from '@strongroom/platform'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { derive, passwordBytes, purposes } from './derive.ts'
import { oids } from './oids.ts'
import { readPkcs12 } from './read.ts'
import { writePkcs12 } from './write.ts'

const run = promisify(execFile)
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pkcs8 = Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' }))
const times = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2027-01-01T00:00:00Z') }
const pem = issueSelfSigned({ subject: 'CN=robot', privateKey, usages: ['digitalSignature'], ...times })
const { raw: cer } = new X509Certificate(pem)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-pkcs12-'))
  await writeFile(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(folder, 'cert.pem'), pem)
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

/** A file written by OpenSSL. */
async function exported(password: string, ...options: string[]): Promise<Uint8Array> {
  const out = join(folder, 'out.pfx')
  await run(
    'openssl',
    [
      'pkcs12',
      '-export',
      '-in',
      'cert.pem',
      '-inkey',
      'key.pem',
      '-out',
      out,
      '-passout',
      `pass:${password}`,
      ...options,
    ],
    { cwd: folder },
  )
  return Uint8Array.from(await readFile(out))
}

const keyDigest = (der: Uint8Array): string =>
  createHash('sha256')
    .update(
      createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' }).export({
        type: 'pkcs8',
        format: 'der',
      }),
    )
    .digest('hex')

describe('PKCS#12', () => {
  it('is read by OpenSSL as it is written, and read back', async () => {
    const file = await writePkcs12({ key: pkcs8, certificates: [cer] })
    await writeFile(join(folder, 'ours.pfx'), file)
    const { stdout } = await run('openssl', ['pkcs12', '-in', 'ours.pfx', '-passin', 'pass:', '-nodes'], {
      cwd: folder,
    })
    expect(keyDigest(createPrivateKey(stdout).export({ type: 'pkcs8', format: 'der' }))).toBe(keyDigest(pkcs8))
    expect(new X509Certificate(stdout).raw.equals(cer)).toBe(true)
    const read = await readPkcs12(file, '')
    expect([read.keys.map(keyDigest), read.certificates.map((each) => Buffer.from(each))]).toEqual([
      [keyDigest(pkcs8)],
      [cer],
    ])
    expect((await readPkcs12(await writePkcs12({ key: undefined, certificates: [cer] }), '')).keys).toEqual([])
  })

  it.each([
    ['as it does today', []],
    [
      'with Triple DES and SHA-1, as before',
      ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
    ],
    ['with AES-128 and SHA-512', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC', '-macalg', 'sha512']],
    ['without encryption', ['-keypbe', 'NONE', '-certpbe', 'NONE']],
    ['with many rounds', ['-iter', '20000']],
  ])('is read where OpenSSL writes it %s, and by its password alone', async (_how, options) => {
    for (const password of ['pass wörd', '']) {
      const file = await exported(password, ...options)
      const { keys, certificates } = await readPkcs12(file, password)
      expect([keys.map(keyDigest), certificates.length]).toEqual([[keyDigest(pkcs8)], 1])
      await expect(readPkcs12(file, `${password}x`)).rejects.toThrow('the password is wrong')
    }
  })

  it('is refused without integrity, and where it asks for more rounds than are done (attack W27)', async () => {
    await expect(readPkcs12(await exported('x', '-nomac'), 'x')).rejects.toThrow('no integrity protection')
    const file = await exported('x', '-iter', '150000')
    await expect(readPkcs12(file, 'x')).rejects.toThrow('150000 rounds')
  })

  /** A PFX from an attacker who knows its password: the MAC is valid. */
  async function forged(o: { parts: Uint8Array[]; macBytes?: number }): Promise<Uint8Array> {
    const data = (content: Uint8Array): Uint8Array => sequence(oid(oids.data), tagged(0, octetString(content)))
    const safe = sequence(...o.parts)
    const salt = new Uint8Array(8)
    const key = await derive({
      digest: 'sha256',
      password: passwordBytes('x'),
      salt,
      iterations: 1,
      purpose: purposes.mac,
      bytes: 32,
    })
    const mac = new Uint8Array(o.macBytes ?? 32)
    mac.set(createHmac('sha256', key).update(safe).digest().subarray(0, mac.length))
    return sequence(
      integer(3),
      data(safe),
      sequence(sequence(algorithms.sha256, octetString(mac)), octetString(salt), integer(1)),
    )
  }

  it('is refused where its parts together ask for more rounds than are done, each for few (attack W27)', async () => {
    const algorithm = sequence(
      oid(oids.pbes2),
      sequence(
        sequence(oid(oids.pbkdf2), sequence(octetString(new Uint8Array(8)), integer(900_000))),
        sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(new Uint8Array(16))),
      ),
    )
    const iv = new Uint8Array(16)
    const aes = createCipheriv('aes-256-cbc', pbkdf2Sync('x', new Uint8Array(8), 900_000, 32, 'sha1'), iv)
    // No bags at all, so that no limit on them ends it.
    const empty = Buffer.concat([aes.update(sequence()), aes.final()])
    const content = tagged(0, empty).map((byte, at) => (at === 0 ? 0x80 : byte))
    const part = sequence(
      oid(oids.encryptedData),
      tagged(0, sequence(integer(0), sequence(oid(oids.data), algorithm, content))),
    )
    expect((await readPkcs12(await forged({ parts: [part, part] }), 'x')).keys).toEqual([])
    await expect(readPkcs12(await forged({ parts: [part, part, part] }), 'x')).rejects.toThrow('900000 rounds')
  })

  it('is refused with a MAC of another length than its digest’s: as much would be derived (attack W27)', async () => {
    for (const macBytes of [31, 33, 1_000_000])
      await expect(readPkcs12(await forged({ parts: [], macBytes }), 'x')).rejects.toThrow(`a MAC of ${macBytes} bytes`)
  })

  it('ends in a refusal whatever is changed of it, and is never another key', async () => {
    const file = await writePkcs12({ key: pkcs8, certificates: [cer] })
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const changed = Uint8Array.from(file)
        changed[at] = changed[at]! ^ by
        const read = await readPkcs12(changed, '').catch((error: unknown) => error)
        expect(read instanceof ServiceError || read instanceof ParseError, String(read)).toBe(true)
      }),
      { numRuns: 150 },
    )
  }, 60_000)
})
