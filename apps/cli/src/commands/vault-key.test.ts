import { execFileSync } from 'node:child_process'
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyAttestationUsage, releaseSigningUsage, type KeyAttestationStatement } from '@strongroom/contract'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { vaultKeyCommands } from './vault-key.ts'

let folder: string
const at = (name: string): string => join(folder, name)

const kept: KeyAttestationStatement = {
  statement: 'strongroom-key-attestation',
  version: '1.0',
  iat: Math.floor(Date.now() / 1000),
  key: {
    kid: `https://kv1.vault.strongroom.internal/keys/k/${'a'.repeat(32)}`,
    kty: 'EC-HSM',
    key_ops: ['sign'],
    crv: 'P-256',
    x: 'xx',
    y: 'yy',
  },
  exportable: false,
  keystore: {
    kind: 'pkcs11',
    token: {
      label: 'hsm',
      serial: '1',
      manufacturer: 'SoftHSM project',
      model: 'SoftHSM v2',
      hardware: '2.6',
      firmware: '2.6',
    },
    object: { sensitive: true, alwaysSensitive: true, extractable: false, neverExtractable: true, local: true },
    releaseWrappings: { CKM_RSA_AES_KEY_WRAP: 'token', RSA_AES_KEY_WRAP_256: 'memory' },
  },
}
const tokenOf = (object: object): KeyAttestationStatement =>
  ({
    ...kept,
    keystore: { ...kept.keystore, object: { ...(kept.keystore as { object: object }).object, ...object } },
  }) as KeyAttestationStatement

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', cwd: folder })

/** An authority, and its certificates, each with one usage. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-vault-key-'))
  for (const name of ['ca', 'other']) {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-addext',
      'keyUsage=critical,keyCertSign',
    )
  }
  for (const [name, ca, usage] of [
    ['good', 'ca', keyAttestationUsage],
    ['release', 'ca', releaseSigningUsage],
    ['foreign', 'other', keyAttestationUsage],
  ] as const) {
    writeFileSync(
      at(`${name}.ext`),
      `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=${usage}\n`,
    )
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
    )
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-days',
      '1',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    )
  }
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => void (process.exitCode = undefined))

function signed(statement: object, by = 'good', ca = by === 'foreign' ? 'other' : 'ca'): string {
  const x5c = [by, ca].map((name) => new X509Certificate(readFileSync(at(`${name}.pem`))).raw.toString('base64'))
  const input = [{ alg: 'RS256', x5c }, statement]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey(readFileSync(at(`${by}.key`)))).toString('base64url')}`
}

async function run(
  content: string | object,
  options: Record<string, boolean | string> = {},
): Promise<{ code: number; result: Result }> {
  writeFileSync(at('attestation.json'), typeof content === 'string' ? content : JSON.stringify(content))
  const context = {
    args: [at('attestation.json')],
    options: { ca: at('ca.pem'), ...options },
    format: 'table',
  } as unknown as CommandContext
  const result = (await vaultKeyCommands[0]!.run(context))!
  return { code: Number(process.exitCode ?? 0), result }
}
const lackingOf = ({ result }: { result: Result }): unknown[] =>
  (result.data as { lacking: { claim: string }[] }).lacking.map(({ claim }) => claim)

describe('strongroom vault key verify', () => {
  it('accepts a key that was made in a token and never leaves it, in each form that it comes in', async () => {
    const jws = signed(kept)
    const encoded = Buffer.from(jws)
    for (const form of [
      jws,
      { privateKeyAttestation: encoded.toString('base64'), publicKeyAttestation: null },
      { key: {}, attributes: { attestation: { privateKeyAttestation: encoded.toString('base64url') } } },
    ]) {
      const { code, result } = await run(form)
      expect([code, result.lines![0]]).toEqual([0, `Accepted: ${kept.key.kid}`])
    }
    const { lines } = (await run(jws)).result
    expect(lines!.join('\n')).toContain('SoftHSM is a program, not a device')
    expect(lines!.join('\n')).toContain("RSA_AES_KEY_WRAP_256 creates its AES key in the service's memory")
  })

  it('refuses software, imports, and what the token did not answer, unless it is told otherwise', async () => {
    const software = signed({ ...kept, keystore: { kind: 'software' } })
    expect(await run(software)).toMatchObject({ code: 1, result: { data: { accepted: false } } })
    process.exitCode = undefined
    expect((await run(software, { allowSoftware: true })).code).toBe(0)
    const imported = signed(tokenOf({ local: false, alwaysSensitive: false, neverExtractable: false }))
    expect(lackingOf(await run(imported))).toEqual([
      'object.local',
      'object.alwaysSensitive',
      'object.neverExtractable',
    ])
    process.exitCode = undefined
    expect((await run(imported, { allowImported: true })).code).toBe(0)
    for (const [object, claim] of [
      [{ sensitive: false }, 'object.sensitive'],
      [{ sensitive: undefined }, 'object.sensitive'],
      [{ extractable: true }, 'object.extractable'],
    ] as const) {
      expect(lackingOf(await run(signed(tokenOf(object)), { allowImported: true }))).toEqual([claim])
    }
  })

  it('refuses another key than the one that is meant', async () => {
    writeFileSync(at('key.json'), JSON.stringify({ key: { ...kept.key, n: null } }))
    expect((await run(signed(kept), { key: at('key.json') })).code).toBe(0)
    writeFileSync(at('key.json'), JSON.stringify({ key: { ...kept.key, x: 'other' } }))
    expect(lackingOf(await run(signed(kept), { key: at('key.json') }))).toEqual(['key.x'])
  })

  it('refuses a statement that is edited, signed by another authority, or by a certificate for something else', async () => {
    const good = signed(kept)
    const [head, , signature] = good.split('.')
    const edited = `${head}.${Buffer.from(JSON.stringify({ ...kept, exportable: true })).toString('base64url')}.${signature}`
    const refusedStatements = [
      edited,
      signed(kept, 'foreign'),
      signed(kept, 'release'),
      signed({ ...kept, statement: 'other' }),
    ]
    for (const jws of refusedStatements)
      await expect(run(jws)).rejects.toMatchObject({ code: 'KeyAttestationRefused', exitCode: 1 })
    for (const text of ['nothing', '{}', '{"privateKeyAttestation":7}']) {
      await expect(run(text)).rejects.toMatchObject({ code: 'InvalidArgument', exitCode: 2 })
    }
  })
})
