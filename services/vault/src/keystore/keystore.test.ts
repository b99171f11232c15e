import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import type { AesCipher, AesWrapping } from '@strongroom/contract'
import { createSealer, type Sealer } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../testing/softhsm.ts'
import { openWrapped } from '../testing/unwrap.ts'
import { macs, signatures } from './algorithms.ts'
import type { KeyBinding, KeySpec, Keystore, KeyUse, KeyUseResult, PublicParts } from './keystore.ts'
import { openPkcs11Keystore } from './pkcs11/pkcs11.ts'
import { verifySignature } from './public-operations.ts'
import { createSoftwareKeystore } from './software.ts'
import { rsaAesKeyWrap } from './wrap.ts'

const binding: KeyBinding = {
  vault: 'kv1',
  name: 'k',
  version: 'a'.repeat(32),
  exportable: true,
  policyHash: 'b'.repeat(64),
}
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const wrappingKey = publicKey.export({ format: 'jwk' }) as { n: string; e: string }
/** Supported by every keystore; others depend on the token. */
const algorithm = 'CKM_RSA_AES_KEY_WRAP'
const rsa: KeySpec = { type: 'RSA', bits: 2048 }

interface Driver {
  name: string
  /** Only a software keystore accepts plain keys. */
  imports: boolean
  open: (sealer: Sealer) => Promise<Keystore>
}

let hsm: SoftHsm
beforeAll(() => {
  if (!hasSoftHsm) return
  hsm = createSoftHsm()
  hsm.addToken('strongroom')
})
afterAll(() => hsm?.remove())

const drivers: Driver[] = [
  { name: 'software', imports: true, open: (sealer) => Promise.resolve(createSoftwareKeystore(sealer)) },
  {
    name: 'PKCS#11 (SoftHSM)',
    imports: false,
    open: (sealer) =>
      openPkcs11Keystore({ sealer, module: softhsmModule, label: 'strongroom', pin: () => Promise.resolve(hsm.pin) }),
  },
]

describe.each(drivers)('a keystore: $name', ({ name, imports, open }) => {
  const sealer = createSealer(randomBytes(32))
  let keystore: Keystore
  const skipped = name !== 'software' && !hasSoftHsm
  beforeAll(async () => {
    if (!skipped) keystore = await open(sealer)
  })
  const check = skipped ? it.skip : it
  const made = async (
    spec: KeySpec,
    of: KeyBinding = binding,
  ): Promise<{ publicParts: PublicParts; use: (use: KeyUse) => Promise<KeyUseResult>; material: Uint8Array }> => {
    const { publicParts, material } = await keystore.generate(spec, of)
    return { publicParts, material, use: (use) => keystore.use({ material, binding: of, spec, use }) }
  }

  check('makes RSA and EC keys whose wrapped private half belongs to the public one', async () => {
    const specs: KeySpec[] = [{ type: 'RSA', bits: 3072 }]
    for (const curve of ['P-256', 'P-384', 'P-521', 'P-256K'] as const) specs.push({ type: 'EC', curve })
    for (const spec of specs) {
      const { publicParts, material } = await made(spec)
      const wrapped = await keystore.wrapForRelease({ material, binding, wrappingKey, algorithm })
      const secret = openWrapped(wrapped, privateKey, algorithm)
      const opened = createPublicKey(createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })).export({
        format: 'jwk',
      })
      expect(opened).toMatchObject(publicParts)
    }
  })

  check('wraps oct keys raw, each time under a fresh key', async () => {
    const { publicParts, material } = await made({ type: 'oct', bits: 192 })
    const wrap = (): Promise<Uint8Array> => keystore.wrapForRelease({ material, binding, wrappingKey, algorithm })
    const [first, second] = [await wrap(), await wrap()]
    expect(publicParts).toEqual({})
    expect(openWrapped(first, privateKey, algorithm)).toHaveLength(24)
    expect(openWrapped(second, privateKey, algorithm)).toEqual(openWrapped(first, privateKey, algorithm))
    expect(second.subarray(256)).not.toEqual(first.subarray(256))
  })

  check('signs with every algorithm so that the public half verifies it, and nothing else', async () => {
    for (const [name, signature] of Object.entries(signatures)) {
      const spec: KeySpec = signature.type === 'RSA' ? rsa : { type: 'EC', curve: signature.curve }
      const { publicParts: parts, use } = await made(spec)
      const hash = signature.digest ?? 'sha256'
      const digest = createHash(hash).update('what is signed').digest()
      const signed = { algorithm: name as keyof typeof signatures, value: digest }
      const { value } = await use({ operation: 'sign', ...signed })
      const verified = (of: Uint8Array): boolean =>
        verifySignature({ spec, parts, algorithm: signed.algorithm, digest: of, signature: value })
      expect([name, verified(digest), verified(createHash(hash).digest())]).toEqual([name, true, false])
    }
  })

  check('decrypts no value that is shorter than the modulus, even where only a zero is missing', async () => {
    const { publicParts, use } = await made(rsa)
    const key = createPublicKey({ key: { kty: 'RSA', n: publicParts.n!, e: publicParts.e! }, format: 'jwk' })
    for (const [name, options] of [
      ['RSA1_5', { padding: constants.RSA_PKCS1_PADDING }],
      ['RSA-OAEP', { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }],
    ] as const) {
      let value: Buffer
      do value = publicEncrypt({ key, ...options }, randomBytes(32))
      while (value[0] !== 0)
      const decrypt = (bytes: Uint8Array): Promise<KeyUseResult> =>
        use({ operation: 'decrypt', algorithm: name, value: bytes })
      await expect(decrypt(value.subarray(1)), name).rejects.toMatchObject({ code: 'BadParameter', status: 400 })
      expect((await decrypt(value)).value, name).toHaveLength(32)
    }
  })

  check('decrypts what was encrypted to the public half, and says one thing of all that does not decrypt', async () => {
    const { publicParts, use } = await made(rsa)
    const key = createPublicKey({ key: { kty: 'RSA', n: publicParts.n!, e: publicParts.e! }, format: 'jwk' })
    const secret = randomBytes(32)
    const value = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, secret)
    const decrypt = (bytes: Uint8Array): Promise<KeyUseResult> =>
      use({ operation: 'decrypt', algorithm: 'RSA-OAEP', value: bytes })
    expect(Buffer.from((await decrypt(value)).value)).toEqual(secret)
    const texts = new Set<string>()
    for (const bad of [Buffer.alloc(256), value.subarray(1), Buffer.alloc(256, 0xff), Buffer.alloc(0)]) {
      await decrypt(bad).catch((error: { code: string; message: string }) =>
        texts.add(`${error.code}: ${error.message}`),
      )
    }
    expect([...texts]).toEqual(['BadParameter: The value does not decrypt with this key.'])
    expect((await decrypt(value)).value).toHaveLength(32)
  })

  check('wraps and unwraps with oct keys, and refuses what was changed', async () => {
    const secret = randomBytes(32)
    for (const wrapping of [
      'A128KW',
      'A192KW',
      'A256KW',
      'CKM_AES_KEY_WRAP',
      'CKM_AES_KEY_WRAP_PAD',
    ] as AesWrapping[]) {
      const bits = wrapping === 'A128KW' ? 128 : wrapping === 'A192KW' ? 192 : 256
      const { use } = await made({ type: 'oct', bits })
      const { value } = await use({ operation: 'wrap', algorithm: wrapping, value: secret })
      const unwrap = (bytes: Uint8Array): Promise<KeyUseResult> =>
        use({ operation: 'unwrap', algorithm: wrapping, value: bytes })
      expect(Buffer.from((await unwrap(value)).value)).toEqual(secret)
      const changed = Uint8Array.from(value)
      changed[9]! ^= 1
      for (const bad of [changed, value.subarray(8), new Uint8Array(0)]) {
        await expect(unwrap(bad)).rejects.toMatchObject({ code: 'BadParameter', status: 400 })
      }
    }
  })

  check('encrypts and decrypts with oct keys, and refuses what was changed', async () => {
    for (const cipher of ['A128GCM', 'A256GCM', 'A256CBC', 'A192CBCPAD'] as AesCipher[]) {
      const gcm = cipher.endsWith('GCM')
      const { use } = await made({ type: 'oct', bits: Number(cipher.slice(1, 4)) as 128 | 192 | 256 })
      const plain = randomBytes(32)
      const aad = gcm ? { aad: Buffer.from('bound') } : {}
      const iv = gcm ? {} : { iv: randomBytes(16) }
      const sealed = await use({ operation: 'seal', algorithm: cipher, value: plain, ...iv, ...aad })
      const parts = { iv: sealed.iv!, ...aad, ...(sealed.tag && { tag: sealed.tag }) }
      const opened = await use({ operation: 'open', algorithm: cipher, value: sealed.value, ...parts })
      expect([cipher, Buffer.from(opened.value)]).toEqual([cipher, plain])
      if (!gcm) continue
      expect([sealed.iv!.length, sealed.tag!.length, sealed.value.length]).toEqual([12, 16, 32])
      const changes = [
        { ...parts, aad: Buffer.from('other') },
        { ...parts, tag: sealed.tag!.subarray(0, 12) },
        { ...parts, tag: randomBytes(16) },
      ]
      for (const changed of changes) {
        const opening = use({ operation: 'open', algorithm: cipher, value: sealed.value, ...changed })
        await expect(opening).rejects.toMatchObject({ code: 'BadParameter', status: 400 })
      }
    }
  })

  check('opens material only under the binding it was made for', async () => {
    const { material } = await made({ type: 'EC', curve: 'P-256' })
    const others: Partial<KeyBinding>[] = [
      { vault: 'other' },
      { name: 'vm-2' },
      { version: 'c'.repeat(32) },
      { exportable: false },
      { policyHash: 'c'.repeat(64) },
    ]
    for (const other of others) {
      const moved = { ...binding, ...other }
      const wrapping = keystore.wrapForRelease({ material, binding: moved, wrappingKey, algorithm })
      await expect(wrapping).rejects.toMatchObject({ code: 'KeyMaterialUnreadable' })
    }
  })

  check('opens nothing under another master key', async () => {
    const { material } = await made({ type: 'EC', curve: 'P-256' })
    const other = await open(createSealer(randomBytes(32)))
    await expect(other.wrapForRelease({ material, binding, wrappingKey, algorithm })).rejects.toMatchObject({
      code: 'KeyMaterialUnreadable',
    })
  })

  check('takes material to another binding, after which the old one no longer opens it', async () => {
    const { material } = await made({ type: 'EC', curve: 'P-256' })
    const next = { ...binding, policyHash: 'd'.repeat(64) }
    const moved = await keystore.rebind(material, binding, next)
    const wrap = (of: KeyBinding): Promise<Uint8Array> =>
      keystore.wrapForRelease({ material: moved, binding: of, wrappingKey, algorithm })
    await expect(wrap(next)).resolves.toBeTruthy()
    await expect(wrap(binding)).rejects.toMatchObject({ code: 'KeyMaterialUnreadable' })
  })

  check('serves many uses at once', async () => {
    const { publicParts: parts, use } = await made(rsa)
    const digests = Array.from({ length: 40 }, () => randomBytes(32))
    const results = await Promise.all(digests.map((value) => use({ operation: 'sign', algorithm: 'RS256', value })))
    results.forEach(({ value: signature }, index) => {
      const digest = digests[index]!
      expect(verifySignature({ spec: rsa, parts, algorithm: 'RS256', digest, signature })).toBe(true)
    })
  })

  check('takes keys from outside, or says that it takes none', async () => {
    const pkcs8 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' })
    const importing = keystore.importKey(pkcs8, binding)
    if (imports) await expect(importing).resolves.toBeTruthy()
    else await expect(importing).rejects.toMatchObject({ code: 'KeyImportNotSupported', status: 400 })
    expect(pkcs8.every((byte) => byte === 0)).toBe(true)
  })

  check('makes HMAC keys that authenticate as node:crypto does with the same bytes', async () => {
    const { use, material } = await made({ type: 'oct', bits: 256, purpose: 'mac' })
    const key = openWrapped(
      await keystore.wrapForRelease({ material, binding, wrappingKey, algorithm }),
      privateKey,
      algorithm,
    )
    expect(key).toHaveLength(32)
    for (const [mac, hash] of Object.entries(macs)) {
      const using = use({ operation: 'mac', algorithm: mac as keyof typeof macs, value: Buffer.from('text') })
      if (!imports && mac !== 'HS256') {
        // RFC 7518 section 3.2 requires a key as long as the hash, and so does SoftHSM.
        await expect(using).rejects.toMatchObject({ code: 'KeyOperationNotSupported', status: 400 })
        continue
      }
      const { value } = await using
      expect(Buffer.from(value)).toEqual(createHmac(hash, key).update('text').digest())
    }
  })

  check('takes keys that another HSM wrapped, and refuses in one text what does not unwrap', async () => {
    const own: KeyBinding = { ...binding, name: 'kek', exportable: false, policyHash: '' }
    const exchangeKey = await made({ type: 'RSA', bits: 2048, purpose: 'exchange' }, own)
    const exchange = { material: exchangeKey.material, binding: own, bits: 2048 }
    const take = (type: KeySpec['type'], wrapped: Uint8Array): ReturnType<Keystore['importWrapped']> =>
      keystore.importWrapped({ exchange, wrapped, algorithm, spec: { type }, binding })
    const wrap = (secret: Uint8Array): Uint8Array =>
      rsaAesKeyWrap({ secret, wrappingKey: exchangeKey.publicParts as { n: string; e: string }, algorithm })
    const bytesOf = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })
    const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const takenRsa = await take('RSA', wrap(bytesOf(rsaPair.privateKey)))
    expect(takenRsa).toMatchObject({ spec: rsa, publicParts: { n: rsaPair.publicKey.export({ format: 'jwk' }).n } })
    for (const [curve, namedCurve] of [
      ['P-256', 'P-256'],
      ['P-384', 'P-384'],
      ['P-521', 'P-521'],
      ['P-256K', 'secp256k1'],
    ] as const) {
      const pair = generateKeyPairSync('ec', { namedCurve })
      const { x, y } = pair.publicKey.export({ format: 'jwk' })
      const taken = await take('EC', wrap(bytesOf(pair.privateKey)))
      expect(taken).toMatchObject({ spec: { type: 'EC', curve }, publicParts: { x, y } })
      const released = await keystore.wrapForRelease({ material: taken.material, binding, wrappingKey, algorithm })
      const secret = openWrapped(released, privateKey, algorithm)
      expect(
        createPublicKey(createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' }).x,
      ).toBe(x)
    }
    const raw = randomBytes(24)
    const takenOct = await take('oct', wrap(raw))
    expect(takenOct.spec).toEqual({ type: 'oct', bits: 192 })
    const released = await keystore.wrapForRelease({ material: takenOct.material, binding, wrappingKey, algorithm })
    expect(openWrapped(released, privateKey, algorithm)).toEqual(raw)
    const good = wrap(bytesOf(rsaPair.privateKey))
    const flipped = (at: number): Uint8Array => {
      const copy = Uint8Array.from(good)
      copy[at]! ^= 1
      return copy
    }
    const texts = new Set<string>()
    const bad: [KeySpec['type'], Uint8Array][] = [
      ['RSA', flipped(3)],
      ['RSA', flipped(400)],
      ['RSA', good.subarray(0, 256)],
      ['RSA', good.subarray(0, -8)],
      ['RSA', new Uint8Array(0)],
      ['EC', good],
      ['oct', good],
      ['oct', wrap(randomBytes(20))],
      ['RSA', wrap(bytesOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey))],
    ]
    for (const [type, wrapped] of bad) {
      const error = (await take(type, wrapped).catch((caught: unknown) => caught)) as { code: string; message: string }
      texts.add(`${error.code}: ${error.message}`)
    }
    expect([...texts]).toEqual([
      'BadParameter: The key exchange key does not unwrap the wrapped key to a key of its type.',
    ])
  })

  check('says what holds a key, in the words of what holds it', async () => {
    const kept = { ...binding, exportable: false, policyHash: '' }
    const { material } = await made({ type: 'EC', curve: 'P-256' }, kept)
    const standing = await keystore.standing(material, kept)
    if (imports) return expect(standing).toEqual({ kind: 'software' })
    expect(standing).toMatchObject({
      kind: 'pkcs11',
      token: { label: 'strongroom', manufacturer: 'SoftHSM project', model: 'SoftHSM v2' },
      object: { sensitive: true, alwaysSensitive: true, extractable: false, neverExtractable: true, local: true },
    })
  })

  check('destroys a key, and takes one that is gone for destroyed', async () => {
    const { material } = await made({ type: 'EC', curve: 'P-256' })
    await keystore.destroy(material, binding)
    await keystore.destroy(material, binding)
  })
})
