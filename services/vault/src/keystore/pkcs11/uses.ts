import { randomBytes } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { aesCiphers, aesWrappings, macs, rsaEncryptions, signatures } from '../algorithms.ts'
import { digestBytes, digestInfo, type DigestName } from '../digest-info.ts'
import type { KeySpec, KeyUse, KeyUseResult } from '../keystore.ts'
import { isCiphertextOf, unusableValue } from '../secret-operations.ts'
import { codeOf, type Binding, type Handle, type Mechanism } from './module.ts'
import { attribute } from './objects.ts'
import { oaep } from './release.ts'
import type { Session } from './token.ts'

const tagBytes = 16

/** How much longer than its input a result may be: a block of padding, a tag, or a signature. */
const room = 1024

interface UsedKey {
  key: Handle
  spec: KeySpec
  keyWrapPad: number | undefined
}

/**
 * A use of a key inside the token.
 * @throws ServiceError 400 BadParameter like useSecret; 400 KeyOperationNotSupported if the token lacks the mechanism
 */
export async function useInside(session: Session, o: UsedKey, use: KeyUse): Promise<KeyUseResult> {
  try {
    switch (use.operation) {
      case 'sign':
        return { value: await signed(session, o.key, use) }
      case 'mac':
        return { value: await authenticated(session, o.key, use) }
      case 'decrypt':
        if (o.spec.type !== 'RSA' || !isCiphertextOf(o.spec.bits, use.value)) throw unusableValue(use)
        return { value: await decrypted(session, o.key, use, rsaMechanism(session.binding, use.algorithm), use.value) }
      case 'wrap':
      case 'unwrap':
        return { value: await wrapped(session, o, use) }
      case 'seal':
      case 'open':
        return await ciphered(session, o.key, use)
    }
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    if (code === session.binding.CKR_MECHANISM_INVALID) throw notSupported(use.algorithm)
    if (use.operation === 'sign' || use.operation === 'mac' || !isAlive(session)) throw error
    throw unusableValue(use)
  }
}

async function signed(session: Session, key: Handle, use: Extract<KeyUse, { operation: 'sign' }>): Promise<Buffer> {
  const { binding: b, module, handle } = session
  const algorithm = signatures[use.algorithm]
  const plain = (mechanism: number): Mechanism => ({ mechanism })
  const [mechanism, data]: [Mechanism, Uint8Array] =
    algorithm.type === 'EC'
      ? [plain(b.CKM_ECDSA), use.value]
      : algorithm.padding === 'pkcs1'
        ? [plain(b.CKM_RSA_PKCS), algorithm.digest === undefined ? use.value : digestInfo(algorithm.digest, use.value)]
        : [pss(b, algorithm.digest), use.value]
  begun(session, use.algorithm, () => module.C_SignInit(handle, mechanism, key))
  return module.C_SignAsync(handle, Buffer.from(data), Buffer.alloc(room))
}

async function authenticated(
  session: Session,
  key: Handle,
  use: Extract<KeyUse, { operation: 'mac' }>,
): Promise<Buffer> {
  const { binding: b, module, handle } = session
  const mechanism = { sha256: b.CKM_SHA256_HMAC, sha384: b.CKM_SHA384_HMAC, sha512: b.CKM_SHA512_HMAC }[
    macs[use.algorithm]
  ]
  begun(session, use.algorithm, () => module.C_SignInit(handle, { mechanism }, key))
  return module.C_SignAsync(handle, Buffer.from(use.value), Buffer.alloc(room))
}

function pss(b: Binding, digest: DigestName): Mechanism {
  const [hashAlg, mgf] = {
    sha256: [b.CKM_SHA256, b.CKG_MGF1_SHA256],
    sha384: [b.CKM_SHA384, b.CKG_MGF1_SHA384],
    sha512: [b.CKM_SHA512, b.CKG_MGF1_SHA512],
  }[digest] as [number, number]
  return {
    mechanism: b.CKM_RSA_PKCS_PSS,
    parameter: { type: b.CK_PARAMS_RSA_PSS, hashAlg, mgf, saltLen: digestBytes[digest] } as never,
  }
}

function rsaMechanism(b: Binding, algorithm: keyof typeof rsaEncryptions): Mechanism {
  const hash = rsaEncryptions[algorithm]
  return hash === undefined ? { mechanism: b.CKM_RSA_PKCS } : oaep(b, hash)
}

async function decrypted(
  session: Session,
  key: Handle,
  use: KeyUse,
  mechanism: Mechanism,
  value: Uint8Array,
): Promise<Buffer> {
  const { module, handle } = session
  if (value.length === 0) throw unusableValue(use)
  begun(session, use.algorithm, () => module.C_DecryptInit(handle, mechanism, key))
  return module.C_DecryptAsync(handle, Buffer.from(value), Buffer.alloc(value.length + room))
}

/** The wrapped value is the caller's, so it may pass through our memory; the wrapping key does not. */
async function wrapped(
  session: Session,
  o: UsedKey,
  { operation, algorithm, value }: Extract<KeyUse, { operation: 'wrap' | 'unwrap' }>,
): Promise<Buffer> {
  const { binding: b, module, handle } = session
  const { padded } = aesWrappings[algorithm]
  if (padded && o.keyWrapPad === undefined) throw notSupported(algorithm)
  const mechanism: Mechanism = { mechanism: padded ? o.keyWrapPad! : b.CKM_AES_KEY_WRAP }
  const passing = [
    { type: b.CKA_TOKEN, value: false },
    { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
    { type: b.CKA_KEY_TYPE, value: b.CKK_GENERIC_SECRET },
    { type: b.CKA_SENSITIVE, value: false },
    { type: b.CKA_EXTRACTABLE, value: true },
  ]
  // Some modules crash, or wrap nothing, on empty input.
  if (value.length === 0 || (!padded && value.length % 8 !== 0)) throw unusableValue({ operation, algorithm })
  const object =
    operation === 'wrap'
      ? module.C_CreateObject(handle, [...passing, { type: b.CKA_VALUE, value: Buffer.from(value) }])
      : await module.C_UnwrapKeyAsync(handle, mechanism, o.key, Buffer.from(value), passing)
  try {
    return operation === 'wrap'
      ? await module.C_WrapKeyAsync(handle, mechanism, o.key, object, Buffer.alloc(value.length + room))
      : attribute(session, object, b.CKA_VALUE)
  } finally {
    module.C_DestroyObject(handle, object)
  }
}

async function ciphered(
  session: Session,
  key: Handle,
  use: Extract<KeyUse, { operation: 'seal' | 'open' }>,
): Promise<KeyUseResult> {
  const { binding: b, module, handle } = session
  const { mode } = aesCiphers[use.algorithm]
  const iv = mode === 'gcm' && use.operation === 'seal' ? randomBytes(12) : use.iv
  if (iv === undefined) throw new TypeError(`${use.algorithm} has an initialisation vector`)
  const mechanism: Mechanism =
    mode === 'gcm'
      ? gcm(b, iv, use.aad)
      : { mechanism: mode === 'cbc' ? b.CKM_AES_CBC : b.CKM_AES_CBC_PAD, parameter: Buffer.from(iv) }
  if (use.operation === 'open') {
    if (mode !== 'gcm') return { value: await decrypted(session, key, use, mechanism, use.value) }
    if (use.tag?.length !== tagBytes) throw unusableValue(use)
    return { value: await decrypted(session, key, use, mechanism, Buffer.concat([use.value, use.tag])) }
  }
  begun(session, use.algorithm, () => module.C_EncryptInit(handle, mechanism, key))
  const output = await module.C_EncryptAsync(handle, Buffer.from(use.value), Buffer.alloc(use.value.length + room))
  if (mode !== 'gcm') return { value: output, iv }
  const end = output.length - tagBytes
  return { value: output.subarray(0, end), iv, tag: output.subarray(end) }
}

function gcm(b: Binding, iv: Uint8Array, aad: Uint8Array | undefined): Mechanism {
  return {
    mechanism: b.CKM_AES_GCM,
    parameter: {
      type: b.CK_PARAMS_AES_GCM_v240,
      iv: Buffer.from(iv),
      ivBits: iv.length * 8,
      aad: Buffer.from(aad ?? new Uint8Array(0)),
      tagBits: tagBytes * 8,
    } as never,
  }
}

/** Begins an operation: a refusal here concerns the mechanism or its parameters, because the token has seen no value yet. */
function begun({ binding: b }: Session, algorithm: string, begin: () => void): void {
  const unknown = [
    b.CKR_MECHANISM_INVALID,
    b.CKR_MECHANISM_PARAM_INVALID,
    b.CKR_ARGUMENTS_BAD,
    // The key was created for another use, since tokens refuse one for both AES and HMAC; or it is too short for the token.
    b.CKR_KEY_TYPE_INCONSISTENT,
    b.CKR_KEY_SIZE_RANGE,
    b.CKR_KEY_FUNCTION_NOT_PERMITTED,
  ]
  try {
    begin()
  } catch (error) {
    if (unknown.includes(codeOf(error) ?? -1)) throw notSupported(algorithm)
    throw error
  }
}

function isAlive({ module, handle }: Session): boolean {
  try {
    module.C_GetSessionInfo(handle)
    return true
  } catch {
    return false
  }
}

function notSupported(algorithm: string): ServiceError {
  return new ServiceError({
    code: 'KeyOperationNotSupported',
    message: `The token that holds this key does not support ${algorithm}.`,
    target: 'alg',
    expected: 'an algorithm that the token supports',
    found: algorithm,
    remedy: 'Use another algorithm of this key, or a token that supports this one.',
  })
}
