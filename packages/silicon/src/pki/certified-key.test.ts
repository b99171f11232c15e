import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { verifyToken } from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { made, now, until } from '../testing/times.ts'
import { memoryKeyStore } from '../testing.ts'
import { issueCertificate, leafExtensions } from './certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from './keys.ts'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}
type Numbers = { n?: string; e?: string }

const issuer = 'https://maa.test'
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const numbersOf = ({ publicKey }: Pair): Numbers => {
  const { n, e } = publicKey.export({ format: 'jwk' }) as Numbers
  return { n, e } as Numbers
}

// Attestation services publish keys as certificates only, or with the key's numbers.
describe('a published key that comes in a certificate', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const weak = generateKeyPairSync('rsa', { modulusLength: 2040 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  let signer: SigningKey
  beforeAll(async () => (signer = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')))

  const certified = async ({ publicKey }: Pair): Promise<string> => {
    const der = await issueCertificate({
      serialNumber: 1n,
      subject: [['CN', 'maa.test']],
      issuer: [['CN', 'Root']],
      subjectKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
      signer,
      extensions: leafExtensions(),
      notBefore: made,
      notAfter: until,
    })
    return Buffer.from(der).toString('base64')
  }
  const verify = async (by: Pair, members: object, alg: 'RS256' | 'ES256' = 'RS256'): Promise<unknown> => {
    const input = `${encode({ alg, kid: 'k' })}.${encode({ iss: issuer, exp: until.getTime() / 1000 })}`
    const key = { key: by.privateKey, dsaEncoding: 'ieee-p1363' } as const
    const signature = sign('sha256', Buffer.from(input), key).toString('base64url')
    const keys = [{ kty: 'RSA', kid: 'k', ...members }]
    return verifyToken({ token: `${input}.${signature}`, keys, issuer, at: now, algorithms: [alg] })
  }

  it('is the certificate’s, with its numbers beside it or without', async () => {
    const x5c = [await certified(rsa)]
    await expect(verify(rsa, { x5c })).resolves.toMatchObject({ keyId: 'k' })
    await expect(verify(rsa, { x5c, ...numbersOf(rsa) })).resolves.toMatchObject({ keyId: 'k' })
    await expect(verify(other, { x5c })).rejects.toMatchObject({ code: 'TokenSignatureInvalid' })
  })

  it.each<[what: string, by: Pair, certificate: Pair, numbers: Numbers]>([
    ['other numbers beside it', rsa, rsa, numbersOf(other)],
    ['the numbers of the signer and a certificate of another', rsa, other, numbersOf(rsa)],
    ['a certificate of a weak key', weak, weak, {}],
    ['a certificate of a key on a curve', rsa, ec, {}],
    ['a certificate of a key on a curve beside its numbers', rsa, ec, numbersOf(rsa)],
  ])('is refused with %s', async (_, by, certificate, numbers) => {
    const x5c = [await certified(certificate)]
    await expect(verify(by, { x5c, ...numbers })).rejects.toMatchObject({ code: 'TokenKeyNotAllowed' })
  })

  it('says nothing beside a key on a curve, which stands for itself', async () => {
    const x5c = [await certified(ec)]
    await expect(verify(ec, { ...ec.publicKey.export({ format: 'jwk' }), x5c }, 'ES256')).resolves.toMatchObject({
      keyId: 'k',
    })
  })

  it('is none where there is no certificate in the list, and no numbers', async () => {
    for (const x5c of [undefined, [], {}, [5], await certified(rsa)])
      await expect(verify(rsa, { x5c })).rejects.toMatchObject({ code: 'TokenKeyNotAllowed' })
  })
})
