import { createHash, randomBytes } from 'node:crypto'
import type { EllipticCurve, ReleaseWrapping } from '@strongroom/contract'
import type { KeyBinding, KeySpec, PublicParts } from '../keystore.ts'
import { verifySignature } from '../public-operations.ts'
import { curves } from '../secret-operations.ts'
import { unusableTransfer } from '../unusable-transfer.ts'
import { oaepHashes } from '../wrap.ts'
import { codeOf, type Handle, type Template } from './module.ts'
import { assertKept, attribute, curveOids, rsaParts, unwrapTemplate, type Made } from './objects.ts'
import { oaep } from './release.ts'
import type { Session } from './token.ts'
import { useInside } from './uses.ts'

const rsaSizes = [2048, 3072, 4096]
const octSizes = [16, 24, 32]

interface Transfer {
  /** Private half of the key exchange key. */
  exchange: Handle
  exchangeBits: number
  wrapped: Uint8Array
  algorithm: ReleaseWrapping
  keyWrapPad: number
  spec: { type: KeySpec['type']; purpose?: string }
  binding: KeyBinding
}

/**
 * Unwraps a key from another HSM inside the token: neither it nor the AES key around it enters our memory.
 * @throws ServiceError 400 BadParameter, with one message for every failure
 */
export async function unwrapInside(session: Session, o: Transfer): Promise<Made & { spec: KeySpec }> {
  const { binding: b, module, handle } = session
  const bytes = o.exchangeBits / 8
  if (o.wrapped.length < bytes + 24) throw unusableTransfer(o.algorithm)
  const id = randomBytes(16)
  const opened: Handle[] = []
  try {
    const aesKey = await module.C_UnwrapKeyAsync(
      handle,
      oaep(b, oaepHashes[o.algorithm]),
      o.exchange,
      Buffer.from(o.wrapped.subarray(0, bytes)),
      [
        { type: b.CKA_TOKEN, value: false },
        { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
        { type: b.CKA_KEY_TYPE, value: b.CKK_AES },
        { type: b.CKA_SENSITIVE, value: true },
        { type: b.CKA_EXTRACTABLE, value: false },
        { type: b.CKA_UNWRAP, value: true },
      ],
    )
    opened.push(aesKey)
    const template: Template = unwrapTemplate(b, { spec: o.spec, id, binding: o.binding })
    const mechanism = { mechanism: o.keyWrapPad }
    const key = await module.C_UnwrapKeyAsync(
      handle,
      mechanism,
      aesKey,
      Buffer.from(o.wrapped.subarray(bytes)),
      template,
    )
    try {
      assertKept(session, key, o.binding.exportable)
      return { id, ...(await described(session, key, o)) }
    } catch (error) {
      module.C_DestroyObject(handle, key)
      throw error
    }
  } catch (error) {
    if (codeOf(error) === undefined || !isAlive(session)) throw error
    throw unusableTransfer(o.algorithm)
  } finally {
    for (const object of opened) module.C_DestroyObject(handle, object)
  }
}

/** What the token now holds, verified to sign what its public half accepts. */
async function described(
  session: Session,
  key: Handle,
  o: Transfer,
): Promise<{ spec: KeySpec; publicParts: PublicParts }> {
  const { binding: b } = session
  if (o.spec.type === 'oct') {
    return { spec: { type: 'oct', bits: octBits(session, key, o) } as KeySpec, publicParts: {} }
  }
  if (o.spec.type === 'RSA') {
    const publicParts = rsaParts(session, key)
    const bits = Buffer.from(publicParts.n!, 'base64url').length * 8
    const spec = { type: 'RSA', bits } as Extract<KeySpec, { type: 'RSA' }>
    const digest = randomBytes(32)
    if (!rsaSizes.includes(bits)) throw unusableTransfer(o.algorithm)
    const use = { operation: 'sign', algorithm: 'RS256', value: digest } as const
    const { value } = await useInside(session, { key, spec, keyWrapPad: undefined }, use)
    if (verifySignature({ spec, parts: publicParts, algorithm: 'RS256', digest, signature: value })) {
      return { spec, publicParts }
    }
    throw unusableTransfer(o.algorithm)
  }
  const oid = attribute(session, key, b.CKA_EC_PARAMS).toString('hex')
  const curve = (Object.keys(curveOids) as EllipticCurve[]).find((name) => curveOids[name] === oid)
  if (curve === undefined) throw unusableTransfer(o.algorithm)
  const spec = { type: 'EC', curve } as const
  return { spec, publicParts: await ecPublicParts(session, key, spec, o.algorithm) }
}

/**
 * A padded wrap is 8 bytes longer than its content, which fits one AES key size; SoftHSM reports 0 for the length of an
 * unwrapped key. A key that is not an AES key encrypts nothing.
 */
function octBits(session: Session, key: Handle, o: Transfer): number {
  const { binding: b, module, handle } = session
  const bytes = o.wrapped.length - o.exchangeBits / 8 - 8
  if (!octSizes.includes(bytes)) throw unusableTransfer(o.algorithm)
  if (o.spec.purpose !== 'mac') {
    module.C_EncryptInit(handle, { mechanism: b.CKM_AES_CBC, parameter: Buffer.alloc(16) }, key)
    module.C_Encrypt(handle, Buffer.alloc(16), Buffer.alloc(64))
  }
  return bytes * 8
}

const ecAlgorithms = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512', 'P-256K': 'ES256K' } as const

/** A token stores no public half beside a private key: it is the one point that verifies two signatures (SEC 1 section 4.1.6). */
async function ecPublicParts(
  session: Session,
  key: Handle,
  spec: { type: 'EC'; curve: EllipticCurve },
  wrapping: ReleaseWrapping,
): Promise<PublicParts> {
  const curve = curves[spec.curve]
  const algorithm = ecAlgorithms[spec.curve]
  const hash = { ES256: 'sha256', ES256K: 'sha256', ES384: 'sha384', ES512: 'sha512' }[algorithm]
  const candidates: Set<string>[] = []
  for (let round = 0; round < 2; round++) {
    const digest = createHash(hash).update(randomBytes(32)).digest()
    const use = { operation: 'sign', algorithm, value: digest } as const
    const { value } = await useInside(session, { key, spec, keyWrapPad: undefined }, use)
    const signature = curve.Signature.fromBytes(value, 'compact')
    const points = [0, 1, 2, 3].flatMap((bit) => {
      try {
        return [signature.addRecoveryBit(bit).recoverPublicKey(digest).toHex(false)]
      } catch {
        return []
      }
    })
    candidates.push(new Set(points))
  }
  const [point, ...more] = [...candidates[0]!].filter((each) => candidates[1]!.has(each))
  if (point === undefined || more.length > 0) throw unusableTransfer(wrapping)
  const bytes = Buffer.from(point, 'hex').subarray(1)
  const half = bytes.length / 2
  return { x: bytes.subarray(0, half).toString('base64url'), y: bytes.subarray(half).toString('base64url') }
}

function isAlive({ module, handle }: Session): boolean {
  try {
    module.C_GetSessionInfo(handle)
    return true
  } catch {
    return false
  }
}
