import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, equal } from '../core/bytes/bytes.ts'
import { digest, forWebCrypto } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { type HashName, hashAlgorithmByName } from '../eventlog/algorithms.ts'
import { VerificationError } from '../core/errors.ts'
import { objectAttributes, parseTpm2bPublic, type TpmPublicKey } from './public.ts'

/** TPM_CC_PolicyPCR (TPM 2.0 part 2, section 6.5.2). */
const policyPcr = 0x0000017f
/** Bytes of the bitmap of a selection: registers 0 to 23. */
const bitmapLength = 3

/**
 * Policy digest (SHA-256) of one TPM2_PolicyPCR over these registers, as a policy session that starts empty computes it
 * (TPM 2.0 part 3, section 23.7). Using an object with this policy requires these register values.
 * @example
 * import { pcrPolicyDigest, toHex } from '@strongroom/evidence'
 *
 * // The policy of a key that a TPM gives out only while registers 0 and 7 are zero.
 * const zero = new Uint8Array(32)
 * toHex(await pcrPolicyDigest(new Map([[0, zero], [7, zero]]), 'sha256')).slice(0, 16) // => '02e3642b3e29eecc'
 */
export async function pcrPolicyDigest(pcrs: ReadonlyMap<number, Uint8Array>, bank: HashName): Promise<Uint8Array> {
  const numbers = [...pcrs.keys()].toSorted((left, right) => left - right)
  const bitmap = new Uint8Array(bitmapLength)
  for (const pcr of numbers) {
    if (pcr >= bitmapLength * 8) throw new RangeError(`register ${pcr} is not one of a PC's`)
    bitmap[pcr >> 3]! |= 1 << (pcr & 7)
  }
  const selection = new ByteWriter().u32be(1).u16be(hashAlgorithmByName(bank).id).bytes(Uint8Array.of(bitmapLength))
  const values = concat(...numbers.map((pcr) => pcrs.get(pcr)!))
  const registers = await digest('SHA-256', forWebCrypto(values))
  const command = new ByteWriter().u32be(policyPcr).bytes(selection.bytes(bitmap).finish()).bytes(registers)
  return digest('SHA-256', concat(new Uint8Array(32), command.finish()))
}

/**
 * Checks that an encryption key can be used in one TPM only, and only while the registers have these values: what is
 * encrypted to it opens nowhere else. An empty password must not suffice (userWithAuth), and the key must not sign.
 * @param o.objectPublic TPM2B_PUBLIC
 * @throws VerificationError TpmKeyNotAllowed, BindingMismatch; ParseError
 * @example
 * import { ByteWriter, objectAttributes, pcrPolicyDigest, requirePcrBoundKey } from '@strongroom/evidence'
 *
 * const pcrs = new Map([[7, new Uint8Array(32)]])
 * const sized = (bytes: Uint8Array) => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
 * const { fixedTpm, fixedParent, sensitiveDataOrigin, decrypt } = objectAttributes
 * const attributes = fixedTpm | fixedParent | sensitiveDataOrigin | decrypt
 * const head = new ByteWriter().u16be(1).u16be(0x0b).u32be(attributes).bytes(sized(await pcrPolicyDigest(pcrs, 'sha256')))
 * const key = head.u16be(0x10).u16be(0x15).u16be(2048).u32be(0).bytes(sized(new Uint8Array(256).fill(0xc1))).finish()
 * const bound = await requirePcrBoundKey({ objectPublic: sized(key), pcrs, bank: 'sha256' })
 * bound.kind // => 'rsa'
 * const others = { objectPublic: sized(key), pcrs: new Map([[7, new Uint8Array(32).fill(1)]]), bank: 'sha256' } as const
 * requirePcrBoundKey(others) // throws VerificationError BindingMismatch
 */
export async function requirePcrBoundKey(o: {
  objectPublic: Uint8Array
  pcrs: ReadonlyMap<number, Uint8Array>
  bank: HashName
}): Promise<Extract<TpmPublicKey, { kind: 'rsa' }>> {
  const area = parseTpm2bPublic(o.objectPublic)
  const { fixedTpm, fixedParent, sensitiveDataOrigin, decrypt, userWithAuth, sign, restricted } = objectAttributes
  const must = fixedTpm | fixedParent | sensitiveDataOrigin | decrypt
  const mustNot = userWithAuth | sign | restricted
  if ((area.attributes & must) !== must || (area.attributes & mustNot) !== 0) {
    throw new VerificationError({
      code: 'TpmKeyNotAllowed',
      message: 'The key for encryption could be used without its policy, or outside its TPM',
      subject: 'ephemeral key',
      expected: 'decrypt, fixedTPM, fixedParent, sensitiveDataOrigin; not userWithAuth, sign or restricted',
      found: `attributes 0x${area.attributes.toString(16)}`,
    })
  }
  const { key } = area
  if (key.kind !== 'rsa' || key.modulus.length < 256 || key.exponent < 65537) {
    throw new VerificationError({
      code: 'TpmKeyNotAllowed',
      message: 'The key for encryption is not an RSA key of 2048 bits or more',
      subject: 'ephemeral key',
      expected: 'RSA, 2048 bits or more, exponent 65537 or larger',
      found: key.kind === 'rsa' ? `RSA, ${key.modulus.length * 8} bits, exponent ${key.exponent}` : key.curve,
    })
  }
  const wanted = await pcrPolicyDigest(o.pcrs, o.bank)
  if (area.nameAlgorithm !== 'sha256' || !equal(area.authPolicy, wanted)) {
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The key for encryption is not bound to the quoted registers',
      subject: 'ephemeral key',
      expected: `policy ${toHex(wanted)} (TPM2_PolicyPCR, SHA-256)`,
      found: area.authPolicy.length === 0 ? 'no policy' : `policy ${toHex(area.authPolicy)} (${area.nameAlgorithm})`,
    })
  }
  return key
}
