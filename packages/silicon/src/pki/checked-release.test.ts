import { authorityExtensions } from '@strongroom/der'
import { checkKeyRelease, type Check } from '@strongroom/evidence'
import { generateKeyPairSync, sign } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { spkiPin } from '../testing/amd-hierarchy.ts'
import { made, now, until } from '../testing/times.ts'
import { memoryKeyStore } from '../testing.ts'
import { issueCertificate, leafExtensions } from './certificate-writer.ts'
import { loadOrCreateKey } from './keys.ts'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const answer = {
  request: { nonce: 'n' },
  response: {
    key: {
      key: {
        kid: 'https://v/keys/k',
        kty: 'RSA-HSM',
        key_hsm: encode({ header: { kid: 'Tpm', enc: 'WRAP' }, ciphertext: 'AAAA' }),
      },
      release_policy: { data: encode({ version: '1.0.0' }) },
    },
  },
}

describe('a vault’s answer, check by check', () => {
  let x5c: string[]
  let pin: string
  beforeAll(async () => {
    const root = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')
    pin = await spkiPin(root)
    const issue = async (name: string, subjectKey: Uint8Array, extensions = leafExtensions()): Promise<string> => {
      const der = await issueCertificate({
        serialNumber: 1n,
        subject: [['CN', name]],
        issuer: [['CN', 'Root']],
        subjectKey,
        signer: root,
        extensions,
        notBefore: made,
        notAfter: until,
      })
      return Buffer.from(der).toString('base64')
    }
    const spki = new Uint8Array(rsa.publicKey.export({ format: 'der', type: 'spki' }))
    x5c = [await issue('vault.test', spki), await issue('Root', root.spki, authorityExtensions())]
  })

  const check = async (
    o: { header?: object; payload?: unknown; by?: typeof rsa; roots?: string; signer?: string; jws?: string } = {},
  ): Promise<{ check: Check; held: boolean; value: Awaited<ReturnType<typeof checkKeyRelease>>['value'] }> => {
    const input = `${encode({ alg: 'RS256', x5c, ...o.header })}.${encode(o.payload ?? answer)}`
    const jws = `${input}.${sign('sha256', Buffer.from(input), (o.by ?? rsa).privateKey).toString('base64url')}`
    const { check: tree, value } = await checkKeyRelease({
      jws: o.jws ?? jws,
      roots: [{ name: 'mine', spkiSha256: o.roots ?? pin }],
      signer: o.signer ?? 'vault.test',
      at: now,
    })
    return { check: tree, held: value !== undefined, value }
  }
  const ids = ['format', 'signer', 'signature', 'answer'].map((name) => `release.${name}`)

  it('passes with what each of them found', async () => {
    const { check: tree, value } = await check()
    expect([tree.id, tree.outcome]).toEqual(['release', 'passed'])
    expect(value).toMatchObject({
      jws: { header: { alg: 'RS256' } },
      algorithm: 'RS256',
      root: { name: 'mine' },
      release: { keyId: 'https://v/keys/k' },
    })
    expect(value!.chain.map(({ subject }) => subject.commonName)).toEqual(['vault.test', 'Root'])
    expect(tree.children.map(({ id, actual }) => [id, actual])).toEqual([
      [ids[0], 'vault.test ← Root'],
      [ids[1], 'mine'],
      [ids[2], 'RS256'],
      [ids[3], expect.stringMatching(/^https:\/\/v\/keys\/k\b.*\bTpm\b.*\bWRAP$/)],
    ])
  })

  it('fails at the one that is wrong, and is no answer then', async () => {
    const skipped = 'skipped'
    for (const [o, outcomes] of [
      [{ jws: 'x' }, ['WrongLength', skipped, skipped, skipped]],
      [{ header: { crit: ['x'] } }, ['UnknownCriticalExtension', skipped, skipped, 'passed']],
      [{ header: { x5c: undefined } }, ['Missing', skipped, skipped, 'passed']],
      [{ roots: '00'.repeat(32) }, ['passed', 'UntrustedRoot', 'passed', 'passed']],
      [{ signer: 'other.test' }, ['passed', 'CertificateNotForThisUse', 'passed', 'passed']],
      [{ by: other }, ['passed', 'passed', 'TokenSignatureInvalid', 'passed']],
      [{ header: { alg: 'PS256' } }, ['passed', 'passed', 'AlgorithmNotAllowed', 'passed']],
      [{ payload: { ...answer, response: {} } }, ['passed', 'passed', 'passed', 'Missing']],
    ] as [Parameters<typeof check>[0], string[]][]) {
      const { check: tree, held } = await check(o)
      expect([tree.children.map(({ id, outcome, code }) => [id, code ?? outcome]), tree.outcome, held]).toEqual([
        ids.map((id, index) => [id, outcomes[index]]),
        'failed',
        false,
      ])
    }
  })
})
