import { generateKeyPairSync, sign } from 'node:crypto'
import { authorityExtensions } from '@strongroom/der'
import type { TrustAnchor } from '@strongroom/evidence'
import type { EvidencePolicy } from '@strongroom/evidence/files'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey } from '../../packages/silicon/src/pki/keys.ts'
import { spkiPin } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { faultsOf, judgeFiles } from './support/judged.ts'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a vault’s answer as a file', () => {
  let jws: string
  let roots: TrustAnchor[]
  beforeAll(async () => {
    const root = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')
    roots = [{ name: 'mine', spkiSha256: await spkiPin(root) }]
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
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
    const x5c = [await issue('vault.test', spki), await issue('Root', root.spki, authorityExtensions())]
    const key = {
      kid: 'https://v/keys/k',
      kty: 'RSA-HSM',
      key_hsm: encode({ header: { kid: 'Tpm', enc: 'WRAP' }, ciphertext: 'AAAA' }),
    }
    const answer = {
      request: { nonce: 'n' },
      response: { key: { key, release_policy: { data: encode({ version: '1.0.0' }) } } },
    }
    const input = `${encode({ alg: 'RS256', x5c })}.${encode(answer)}`
    jws = `${input}.${sign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')}`
  })
  const verdict = async (release?: EvidencePolicy['release'], simulated = true, at = now): Promise<string[]> => {
    const policy = release === undefined ? {} : { release }
    const found = await judgeFiles({ 'r.jws': jws }, { anchors: { simulated, amd: [], intel: [] }, at, policy })
    expect(found.check.children[0]!.shows).toMatch(/^r\.jws: /)
    return [found.verdict, ...faultsOf(found)]
  }

  it('is held to the roots and the signer that a policy names', async () => {
    const signer = 'vault.test'
    for (const simulated of [true, false]) expect(await verdict({ roots, signer }, simulated)).toEqual(['accepted'])
    const strange = [{ name: 'x', spkiSha256: '00'.repeat(32) }]
    expect(await verdict({ roots: strange, signer })).toEqual(['refused', 'release.signer UntrustedRoot'])
    expect(await verdict({ roots, signer: 'other.test' })).toEqual([
      'refused',
      'release.signer CertificateNotForThisUse',
    ])
    expect(await verdict({ roots, signer }, true, new Date(until.getTime() + 1000))).toEqual([
      'refused',
      'release.signer CertificateExpired',
    ])
  })

  it('is held to Azure’s where no policy is given, and stays open where the roots are an installation’s', async () => {
    expect(await verdict(undefined, false)).toEqual(['refused', 'release.signer UntrustedRoot'])
    expect(await verdict()).toEqual(['unjudged', 'release.signer skipped'])
  })
})

describe('a token of another service than Azure’s', () => {
  it('may be signed as that service signs, and no other issuer’s may', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES384' }] }
    const verdict = async (iss: string): Promise<string[]> => {
      const input = `${encode({ alg: 'ES384', kid: 'k' })}.${encode({ iss, exp: now.getTime() / 1000 + 60 })}`
      const signature = sign('sha384', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const files = { 't.jwt': `${input}.${signature.toString('base64url')}`, 'k.json': keys }
      const found = await judgeFiles(files, { anchors: { simulated: true, amd: [], intel: [] }, at: now })
      return [found.verdict, ...faultsOf(found)]
    }
    expect(await verdict('https://portal.trustauthority.intel.com')).toContain('token.algorithm AlgorithmNotAllowed')
    expect(await verdict('https://other.test')).toContain('token.algorithm AlgorithmNotAllowed')
    expect(await verdict('https://nras.attestation.nvidia.com')).toEqual(['accepted'])
  })

  it('is refused beside keys that cannot be read', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const payload = { iss: 'https://nras.attestation.nvidia.com', exp: now.getTime() / 1000 + 60 }
    const input = `${encode({ alg: 'ES384', kid: 'k' })}.${encode(payload)}`
    const signature = sign('sha384', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const token = `${input}.${signature.toString('base64url')}`
    const verdict = async (keys: unknown[]): Promise<string[]> => {
      const files = { 't.jwt': token, 'k.json': { keys } }
      const found = await judgeFiles(files, { anchors: { simulated: true, amd: [], intel: [] }, at: now })
      return [found.verdict, ...faultsOf(found)]
    }
    const key = { kty: 'EC', kid: 'k' }
    expect(await verdict([key])).toEqual(['refused', 'token.key TokenKeyNotAllowed', 'token.signature skipped'])
    // More than any service has: none of them is read.
    expect(await verdict(Array<unknown>(2_000).fill(key))).toEqual([
      'refused',
      'token.key TokenKeyUnknown',
      'token.signature skipped',
    ])
  })
})
