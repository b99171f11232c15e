import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'

/** TPMS_NV_PUBLIC of an index without a policy, whose name is by SHA-256 (TPM 2.0 part 2, section 13.6). */
export interface NvPublic {
  handle: number
  /** TPMA_NV, with TPMA_NV_WRITTEN. */
  attributes: number
  bytes: number
}

/** Part 1, section 16: the algorithm, then the digest of the public area. */
export async function nvName({ handle, attributes, bytes }: NvPublic): Promise<Uint8Array> {
  const area = new ByteWriter().u32be(handle).u16be(0x0b).u32be(attributes).u16be(0).u16be(bytes).finish()
  return concat(Uint8Array.of(0, 0x0b), await digest('SHA-256', area))
}
