import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'

export const pageLength = 4096
export const fourGiB: bigint = 2n ** 32n
/** Address that AMD's secure-processor firmware uses for VMSA pages, whose real addresses the guest never sees. */
const vmsaAddress = 0xfffffffff000n
const zeros = new Uint8Array(48)

/** PAGE_TYPE of SNP_LAUNCH_UPDATE. */
export const pageType = { normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const

/** The running digest of a launch (SNP ABI specification, SNP_LAUNCH_UPDATE, PAGE_INFO). */
export class SnpLaunch {
  value: Uint8Array

  constructor(start: Uint8Array = zeros) {
    this.value = start
  }

  /** @param contents SHA-384 of the page; zeros for pages whose content is not measured */
  async update(type: number, address: bigint, contents: Uint8Array): Promise<void> {
    const info = new ByteWriter()
      .bytes(this.value)
      .bytes(contents)
      .u16le(0x70)
      .u8(type)
      // No initial migration image; no permissions for the lower levels.
      .zero(5)
      .u64le(address)
      .finish()
    this.value = await digest('SHA-384', info)
  }

  /** Pages of a kind whose content is not measured. */
  async pages(type: number, address: number, size: number): Promise<void> {
    for (let at = 0; at < size; at += pageLength) await this.update(type, BigInt(address + at), zeros)
  }

  /** An image, page by page. */
  async image(image: Uint8Array, address: bigint): Promise<void> {
    for (let at = 0; at < image.length; at += pageLength) {
      await this.update(
        pageType.normal,
        address + BigInt(at),
        await digest('SHA-384', image.subarray(at, at + pageLength)),
      )
    }
  }

  async processor(state: Uint8Array): Promise<void> {
    await this.update(pageType.vmsa, vmsaAddress, await digest('SHA-384', state))
  }
}

/** @throws ParseError WrongLength for an image that is not whole pages, or larger than any genuine one */
export function requireWholePages(image: Uint8Array): void {
  if (image.length > 0 && image.length % pageLength === 0 && BigInt(image.length) <= fourGiB / 16n) return
  throw new ParseError({
    code: 'WrongLength',
    message: 'Firmware image is not whole pages',
    found: `${image.length} bytes`,
  })
}

/** @throws ParseError InvalidValue */
export function requireProcessors(count: number): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= 1024) return
  throw new ParseError({ code: 'InvalidValue', message: 'Number of processors is out of range', found: `${count}` })
}
