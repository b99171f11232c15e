import { generateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Sealer } from '@strongroom/platform'
import { generationLimit } from './generation-limit.ts'
import type { KeyBinding, KeySpec, Keystore, PublicParts } from './keystore.ts'
import { sealedMaterial } from './material.ts'
import { outsideKeyFrom } from './outside-key.ts'
import { OpenedKeys } from './opened-keys.ts'
import { privateKeyOf, useRsaKey, useSecret } from './secret-operations.ts'
import { unwrappedKey } from './unusable-transfer.ts'
import { rsaAesKeyUnwrap, rsaAesKeyWrap } from './wrap.ts'

/** RSA keys that stay open after their last use, and for how long. */
const openedKeys = 64
const openedMs = 30_000

/**
 * Keys in software: sealed with AES-256-GCM under a key per version, open in memory only while in use (an RSA key that
 * signs or decrypts, for half a minute). Buffers that held a private key are overwritten; copies inside OpenSSL are
 * OpenSSL's to clear.
 */
export function createSoftwareKeystore(sealer: Sealer): Keystore {
  const sealed = sealedMaterial(sealer.derive('keystore'))
  const limit = generationLimit()
  const opened = new OpenedKeys({ limit: openedKeys, keepMs: openedMs })

  return {
    keepsKeys: false,
    generate: async (spec, binding) => {
      const made = await limit.run(() => generate(spec))
      return { publicParts: made.publicParts, material: await sealed.seal(made.secret, binding) }
    },
    importWrapped: async ({ exchange, wrapped, algorithm, spec, binding }) => {
      const opening = await sealed.open(exchange.material, exchange.binding)
      let unwrapped: Uint8Array | undefined
      try {
        const { secret, ...made } = unwrappedKey(() => {
          unwrapped = rsaAesKeyUnwrap({ wrapped, key: privateKeyOf(opening), keyBytes: exchange.bits / 8, algorithm })
          return outsideKeyFrom(spec.type, unwrapped)
        }, algorithm)
        return { ...made, material: await sealed.seal(secret, binding) }
      } finally {
        opening.fill(0)
        unwrapped?.fill(0)
      }
    },
    standing: () => Promise.resolve({ kind: 'software' }),
    importKey: async (secret, binding) => ({ material: await sealed.seal(secret, binding) }),
    use: async ({ material, binding, spec, use }) => {
      const place = placeOf(binding)
      const known = spec.type === 'RSA' ? opened.get(place, material) : undefined
      if (known && spec.type === 'RSA') return useRsaKey(known, spec, use)
      const secret = await sealed.open(material, binding)
      try {
        if (spec.type !== 'RSA') return useSecret(secret, spec, use)
        const key = privateKeyOf(secret)
        opened.keep(place, material, key)
        return useRsaKey(key, spec, use)
      } finally {
        secret.fill(0)
      }
    },
    wrapForRelease: async ({ material, binding, wrappingKey, algorithm }) => {
      const secret = await sealed.open(material, binding)
      try {
        return rsaAesKeyWrap({ secret, wrappingKey, algorithm })
      } finally {
        secret.fill(0)
      }
    },
    rebind: async (material, from, to) => sealed.seal(await sealed.open(material, from), to),
    exportKey: (material, binding) => sealed.open(material, binding),
    // Sealed material is in the row only, and goes with it.
    destroy: () => Promise.resolve(),
    close: () => {},
  }
}

/** The material is bound to more, and is compared as a whole. */
const placeOf = ({ vault, name, version }: KeyBinding): string => `${vault}/${name}/${version}`

async function generate(spec: KeySpec): Promise<{ publicParts: PublicParts; secret: Uint8Array }> {
  if (spec.type === 'oct') {
    const key = await promisify(generateKey)('aes', { length: spec.bits })
    return { publicParts: {}, secret: Uint8Array.from(key.export()) }
  }
  const { publicKey, privateKey } =
    spec.type === 'RSA'
      ? await promisify(generateKeyPair)('rsa', { modulusLength: spec.bits, publicExponent: 65537 })
      : await promisify(generateKeyPair)('ec', { namedCurve: spec.curve === 'P-256K' ? 'secp256k1' : spec.curve })
  return { publicParts: publicPartsOf(publicKey), secret: privateKey.export({ type: 'pkcs8', format: 'der' }) }
}

function publicPartsOf(key: KeyObject): PublicParts {
  const { n, e, x, y } = key.export({ format: 'jwk' })
  return n !== undefined && e !== undefined ? { n, e } : { x: x!, y: y! }
}
