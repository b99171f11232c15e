import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { digest, digestLength, type HashName } from '../../core/bytes/digest.ts'

/** A register after power-on, extended by these digests in order (TPM 2.0 part 1 section 17.2; RTMRs are extended the same way). */
export async function extendAll(digests: readonly Uint8Array[], hash: HashName = 'SHA-256'): Promise<Uint8Array> {
  let value: Uint8Array = new Uint8Array(digestLength[hash])
  for (const measured of digests) value = await digest(hash, concat(value, measured))
  return value
}

/** Digest of EV_SEPARATOR: four zero bytes. */
export function separatorDigest(hash: HashName = 'SHA-256'): Promise<Uint8Array> {
  return digest(hash, new Uint8Array(4))
}

/** Digest of an EV_EFI_ACTION or of a boot phase: the text without a terminator. */
export function textDigest(text: string, hash: HashName = 'SHA-256'): Promise<Uint8Array> {
  return digest(hash, utf8(text))
}
