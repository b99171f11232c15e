import { concat, utf8 } from '../bytes/bytes.ts'
import { digest } from '../bytes/digest.ts'

/** A SHA-256 PCR as it is after power-on, extended by these digests in order (TPM 2.0 part 1 section 17.2). */
export async function extendAll(digests: Uint8Array[], start: Uint8Array = new Uint8Array(32)): Promise<Uint8Array> {
  let value = start
  for (const measured of digests) value = await digest('SHA-256', concat(value, measured))
  return value
}

/** Digest of EV_SEPARATOR: four zero bytes. */
export function separatorDigest(): Promise<Uint8Array> {
  return digest('SHA-256', new Uint8Array(4))
}

/** Digest of an EV_EFI_ACTION or of a boot phase: the text without a terminator. */
export function textDigest(text: string): Promise<Uint8Array> {
  return digest('SHA-256', utf8(text))
}
