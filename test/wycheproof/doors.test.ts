import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  generateKeyPairSync,
  privateEncrypt,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loginHost } from '@strongroom/contract'
import { detect, judge } from '@strongroom/evidence/files'
import { createSealer, issueSelfSigned } from '@strongroom/platform'
import { openEnvelope } from '../../services/attestation/src/policy/stored-policy.ts'
import { transcrypt } from '../../services/host/src/disks/transcrypt.ts'
import { createAssertionVerifier } from '../../services/identity/src/client-assertion.ts'
import { createTokenVerifier } from '../../services/identity/src/tokens/verifier.ts'
import { verifyAttestationToken } from '../../services/vault/src/release/token.ts'
import { type Group, groupsOf, hex, judgeVectors, missingVectors, type Vector } from './vectors.ts'

/**
 * The services accept no vector unchanged: the signed bytes have to be a token. The change that a vector makes to a
 * signature, such as its padding, is made to one of our tokens with one of our keys, and every service must answer as
 * for the vector.
 */
const now = new Date('2026-06-01T12:00:00Z')
const clock = { now: () => now }
const seconds = now.getTime() / 1000
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
}
const times = { iat: seconds, nbf: seconds, exp: seconds + 600 }
const tenantId = '11111111-1111-4111-8111-111111111111'
const appId = '22222222-2222-4222-8222-222222222222'
const authority = 'https://own.weu.attest.strongroom.internal'

interface Door {
  header: object
  claims: object
  take: (token: string) => Promise<unknown>
}

const certificateOf = (privateKey: KeyObject): X509Certificate =>
  new X509Certificate(
    issueSelfSigned({
      subject: 'CN=vector',
      privateKey,
      usages: ['digitalSignature'],
      notBefore: new Date(0),
      notAfter: new Date('2040-01-01T00:00:00Z'),
    }),
  )

function assertionDoor(alg: string, privateKey: KeyObject): Door {
  const certificate = certificateOf(privateKey)
  const digest = (name: string): string => createHash(name).update(certificate.raw).digest('base64url')
  const row = {
    sha1: digest('sha1'),
    sha256: digest('sha256'),
    not_before: new Date(0).toISOString(),
    not_after: '2040-01-01T00:00:00Z',
    der: certificate.raw.toString('base64'),
  }
  const credentials = { certificates: () => Promise.resolve([row]), federated: () => Promise.resolve([]) }
  const own = { issuer: `https://${loginHost}/${tenantId}/v2.0`, jwks: { keys: [] } }
  const verifier = createAssertionVerifier({ credentials: credentials as never, clock, tenantId, own })
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const principal = { appId, objectId: appId, displayName: 'robot' }
  return {
    header: { alg, 'x5t#S256': row.sha256 },
    claims: { iss: appId, sub: appId, aud: `https://${loginHost}/${tenantId}/v2.0`, ...times },
    take: async (assertion) => await verifier.verify({ principal, assertion, type }),
  }
}

/** Like `strongroom evidence verify TOKEN KEYS`. */
function fileDoor(alg: string, issuer: string, claims: object, publicKey: KeyObject): Door {
  const keys = Buffer.from(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg }] }))
  const anchors = { simulated: false, amd: [], intel: [] }
  return {
    header: { alg, kid: 'k', typ: 'JWT' },
    claims: { iss: issuer, ...times, ...claims },
    take: async (token) => {
      const pieces = [...detect('token.jwt', Buffer.from(token)), ...detect('keys.json', keys)]
      const { verdict, code } = await judge({ pieces, anchors, at: now })
      if (verdict !== 'accepted') throw new Error(code ?? verdict)
    },
  }
}

const accessTokens = createTokenVerifier({
  issuer: `https://${loginHost}/${tenantId}/v2.0`,
  tenantId,
  keyOf: () => webKey,
  clock,
})
const webKey = await crypto.subtle.importKey(
  'spki',
  rsa.publicKey.export({ format: 'der', type: 'spki' }),
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  true,
  ['verify'],
)

const rsaDoors: Record<string, Door> = {
  'tokens of attestation at the vault': {
    header: { alg: 'RS256', kid: 'k', typ: 'JWT' },
    claims: { iss: authority, 'x-ms-attestation-type': 'sevsnpvm', 'x-ms-ver': '1.0', ...times },
    take: async (token) =>
      await verifyAttestationToken({
        token,
        authorities: [authority],
        keys: {
          trusts: () => true,
          meant: (name: string) => name,
          issuerOf: (name: string) => name,
          key: () => Promise.resolve(rsa.publicKey),
        } as never,
        clock,
      }),
  },
  'access tokens': {
    header: { alg: 'RS256', kid: 'k', typ: 'JWT' },
    claims: {
      iss: `https://${loginHost}/${tenantId}/v2.0`,
      aud: 'https://vault.azure.net',
      oid: 'o',
      appid: 'a',
      tid: tenantId,
      ...times,
    },
    take: async (token) => await accessTokens.verify(token, ['https://vault.azure.net']),
  },
  'client assertions': assertionDoor('RS256', rsa.privateKey),
  'signed policies': {
    header: { alg: 'RS256', x5c: [certificateOf(rsa.privateKey).raw.toString('base64')] },
    claims: { AttestationPolicy: 'e30' },
    take: async (token) => openEnvelope(token),
  },
  'strongroom evidence verify': fileDoor(
    'RS256',
    'https://sharedweu.weu.attest.azure.net',
    { 'x-ms-attestation-type': 'sevsnpvm', 'x-ms-ver': '1.0' },
    rsa.publicKey,
  ),
}

const ecDoors: Record<string, [Door, 'ES256' | 'ES384', string]> = {
  'client assertions under ES256': [
    assertionDoor('ES256', ec.ES256.privateKey),
    'ES256',
    'ecdsa_secp256r1_sha256_p1363',
  ],
  'strongroom evidence verify under ES384': [
    fileDoor(
      'ES384',
      'https://nras.attestation.nvidia.com',
      { measres: 'success', hwmodel: 'GH100' },
      ec.ES384.publicKey,
    ),
    'ES384',
    'ecdsa_secp384r1_sha384_p1363',
  ],
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const inputOf = ({ header, claims }: Door): string => `${part(header)}.${part(claims)}`
const tokenOf = (input: string, signature: Uint8Array): string =>
  `${input}.${Buffer.from(signature).toString('base64url')}`

/** The vector's padding over another text, with this test's key. */
function transplanted(vector: Vector, group: Group, input: string): { signature: Uint8Array; done: boolean } {
  const { n, e } = keyNumbers(group)
  const size = group.keySize / 8
  const good = sign('sha256', Buffer.from(input), rsa.privateKey)
  if (vector.sig.length !== 2 * size) return { signature: good.subarray(0, vector.sig.length / 2), done: true }
  const encoded = power(BigInt(`0x${vector.sig}`), e, n)
    .toString(16)
    .padStart(2 * size, '0')
  const [theirs, ours] = [hex(vector.msg), Buffer.from(input)].map((text) =>
    createHash('sha256').update(text).digest('hex'),
  ) as [string, string]
  if (!encoded.includes(theirs)) return { signature: hex(vector.sig), done: false }
  const padded = Buffer.from(encoded.replaceAll(theirs, ours), 'hex')
  try {
    const key = { key: rsa.privateKey, padding: constants.RSA_NO_PADDING }
    const signature = privateEncrypt(key, padded)
    return { signature: BigInt(`0x${vector.sig}`) < n ? signature : notReduced(signature), done: true }
  } catch {
    // Not below our modulus.
    return { signature: hex(vector.sig), done: false }
  }
}

/** The signature plus the modulus, which may be one byte longer. */
function notReduced(signature: Uint8Array): Uint8Array {
  const modulus = BigInt(`0x${Buffer.from(rsa.publicKey.export({ format: 'jwk' }).n!, 'base64url').toString('hex')}`)
  const sum = (BigInt(`0x${Buffer.from(signature).toString('hex')}`) + modulus).toString(16)
  return hex(sum.length % 2 === 0 ? sum : `0${sum}`)
}

function keyNumbers({ publicKey }: Group): { n: bigint; e: bigint } {
  const { modulus, publicExponent } = publicKey as { modulus?: string; publicExponent?: string }
  return { n: BigInt(`0x${modulus}`), e: BigInt(`0x${publicExponent}`) }
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let [square, left] = [base % modulus, exponent]; left > 0n; left >>= 1n, square = (square * square) % modulus)
    if (left & 1n) result = (result * square) % modulus
  return result
}

async function accepts(door: Door, token: string): Promise<boolean> {
  return await door.take(token).then(
    () => true,
    () => false,
  )
}

describe.skipIf(missingVectors !== undefined)(
  'what vectors of Wycheproof do to a signature',
  { timeout: 600_000 },
  () => {
    it.each(Object.entries(rsaDoors))('rsa_signature_2048_sha256: %s', async (_name, door) => {
      const input = inputOf(door)
      let done = 0
      const found = await judgeVectors('rsa_signature_2048_sha256', async (vector, group) => {
        const { signature, done: whole } = transplanted(vector, group, input)
        if (whole) done++
        return await accepts(door, tokenOf(input, signature))
      })
      expect(found.wrong).toEqual([])
      expect(found.valid).toBeGreaterThan(5)
      expect(done).toBeGreaterThan(150)
    })

    it.each(Object.entries(ecDoors))(
      '%s: values of r and s that hold for no key, and forms of a good signature',
      async (_name, [door, alg, name]) => {
        const input = inputOf(door)
        const key = { key: ec[alg].privateKey, dsaEncoding: 'ieee-p1363' } as const
        const good = sign(alg.replace('ES', 'sha'), Buffer.from(input), key)
        expect(await accepts(door, tokenOf(input, good))).toBe(true)
        const half = good.length / 2
        const forms = [
          sign(alg.replace('ES', 'sha'), Buffer.from(input), ec[alg].privateKey),
          Buffer.concat([Buffer.of(0), good.subarray(0, half), Buffer.of(0), good.subarray(half)]),
          Buffer.concat([good, Buffer.of(0)]),
          good.subarray(0, -1),
          Buffer.concat([good.subarray(half), good.subarray(0, half)]),
        ]
        const values = groupsOf(name).flatMap(({ tests }) =>
          tests.filter(({ result }) => result !== 'valid').map(({ sig }) => hex(sig)),
        )
        expect(values.length).toBeGreaterThan(50)
        for (const signature of [...forms, ...values])
          expect([Buffer.from(signature).toString('hex'), await accepts(door, tokenOf(input, signature))]).toEqual([
            Buffer.from(signature).toString('hex'),
            false,
          ])
      },
    )

    it('aes_gcm: a sealed secret with its tag changed as the vectors change theirs', async () => {
      const sealer = createSealer(new Uint8Array(32).fill(7))
      const found = await judgeVectors(
        'aes_gcm',
        async (vector) => {
          const cipher = createCipheriv('aes-256-gcm', hex(vector.key), hex(vector.iv)).setAAD(hex(vector.aad))
          cipher.update(hex(vector.msg))
          cipher.final()
          const change = cipher.getAuthTag().map((byte, index) => byte ^ hex(vector.tag)[index]!)
          const sealed = await sealer.seal(hex(vector.msg), 'vector')
          const tag = sealed.length - change.length
          change.forEach((byte, index) => (sealed[tag + index]! ^= byte))
          return Buffer.from(await sealer.open(sealed, 'vector')).toString('hex') === vector.msg
        },
        ({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128,
      )
      expect(found.wrong).toEqual([])
      expect(Math.min(found.valid, found.refused)).toBeGreaterThan(20)
    })

    it('aes_xts: sectors of a disk, where a vector’s tweak is the number of a sector of 4096 bytes', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'strongroom-xts-'))
      onTestFinished(() => rm(folder, { recursive: true, force: true }))
      const [plain, under, back] = ['plain', 'under', 'back'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ]
      let tried = 0
      for (const { keySize, ivSize, tests } of groupsOf('aes_xts')) {
        if (keySize !== 512 || ivSize > 24) continue
        for (const vector of tests) {
          const sector = Number(Buffer.from(hex(vector.iv)).readUIntLE(0, ivSize / 8))
          const [message, expected] = [Buffer.from(vector.msg, 'hex'), Buffer.from(vector.ct, 'hex')]
          if (sector % 8 !== 0 || message.length % 16 !== 0 || vector.result !== 'valid') continue
          const length = sector * 512 + 4096
          for (const path of [plain, under, back]) await writeFile(path, '').then(() => truncate(path, length))
          await at(
            plain,
            sector * 512,
            async (file, place) => void (await file.write(message, 0, message.length, place)),
          )
          const whole = { length, newKey: hex(vector.key) }
          await transcrypt({ from: { path: plain, offset: 0 }, to: { path: under, offset: 0 }, ...whole })
          expect((await bytesAt(under, sector * 512, message.length)).toString('hex')).toBe(expected.toString('hex'))
          const other = new Uint8Array(64).map((_, index) => index)
          await transcrypt({
            from: { path: under, offset: 0 },
            to: { path: back, offset: 0 },
            ...whole,
            oldKey: hex(vector.key),
            newKey: other,
          })
          const tweak = Buffer.alloc(16)
          tweak.writeUIntLE(sector, 0, 6)
          const opened = createDecipheriv('aes-256-xts', other, tweak).update(await bytesAt(back, sector * 512, 4096))
          expect(opened.subarray(0, message.length).toString('hex')).toBe(vector.msg)
          tried++
        }
      }
      expect(tried).toBeGreaterThan(0)
    })
  },
)

type Handle = Awaited<ReturnType<typeof open>>

async function at<T>(path: string, place: number, work: (file: Handle, place: number) => Promise<T>): Promise<T> {
  const file = await open(path, 'r+')
  try {
    return await work(file, place)
  } finally {
    await file.close()
  }
}

async function bytesAt(path: string, place: number, length: number): Promise<Buffer> {
  return await at(path, place, async (file, from) => (await file.read(Buffer.alloc(length), 0, length, from)).buffer)
}
