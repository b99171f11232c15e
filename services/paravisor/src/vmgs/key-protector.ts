import { constants, privateDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { corrupt } from './corrupt.ts'
import { unwrapKey, wrapKey } from './key-wrap.ts'

/**
 * KEY_PROTECTOR of a VMGS container: `dek[2]` of 512 bytes, `gsp[2]` of a length and 512 bytes, `active_kp`. A data key
 * is wrapped by the VM's RSA key with OAEP-SHA-256; the blob is as long as the modulus. Each boot writes the other
 * slot. Under a customer's key, the RSA key wraps not a bare data key but 40 bytes of AES-KWP under the intermediate
 * key of the customer binding: neither the platform's key nor the customer's opens it alone.
 */
const slotLength = 512
const length = 2 * slotLength + 2 * (4 + 512) + 4
const activeAt = length - 4

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const

const blobLength = (key: KeyObject): number => (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8

/**
 * @param o.previous the protector so far: its active slot is unchanged, and the other one written
 * @param o.intermediateKey of the customer binding
 */
export function protectKey(
  dataKey: Uint8Array,
  wrappingKey: KeyObject,
  o: { previous?: Uint8Array | undefined; intermediateKey?: Uint8Array | undefined } = {},
): Buffer {
  const { previous, intermediateKey } = o
  const bytes = Buffer.alloc(length)
  let slot = 0
  if (previous !== undefined) {
    bytes.set(previous)
    slot = 1 - bytes.readUInt32LE(activeAt)
  }
  bytes.fill(0, slot * slotLength, (slot + 1) * slotLength)
  const payload = intermediateKey === undefined ? dataKey : wrapKey(dataKey, intermediateKey)
  publicEncrypt({ key: wrappingKey, ...oaep }, payload).copy(bytes, slot * slotLength)
  bytes.writeUInt32LE(slot, activeAt)
  return bytes
}

/** @throws ServiceError GuestStateCorrupt, GuestStateOfAnotherVm */
export function openProtector(protector: Uint8Array, wrappingKey: KeyObject, intermediateKey?: Uint8Array): Buffer {
  const bytes = Buffer.from(protector)
  if (bytes.length !== length)
    throw corrupt('its key protector has the wrong length', `${length} bytes`, `${bytes.length} bytes`)
  const active = bytes.readUInt32LE(activeAt)
  if (active > 1) throw corrupt('its key protector names no slot', '0 or 1', String(active))
  const blob = bytes.subarray(active * slotLength, active * slotLength + blobLength(wrappingKey))
  let dataKey: Buffer
  try {
    const payload = privateDecrypt({ key: wrappingKey, ...oaep }, blob)
    dataKey = intermediateKey === undefined ? payload : unwrapKey(payload, intermediateKey)
  } catch {
    throw anotherVm()
  }
  if (dataKey.length !== 32) throw corrupt('its data key has the wrong length')
  return dataKey
}

function anotherVm(): ServiceError {
  return new ServiceError({
    code: 'GuestStateOfAnotherVm',
    message: 'The guest state cannot be decrypted with the key released for this VM.',
    target: 'guestState',
    expected: 'guest state whose data key is wrapped by this VM’s key',
    found: 'another VM’s guest state, or a damaged key protector',
    remedy: 'Put this VM’s own guest state back.',
  })
}
