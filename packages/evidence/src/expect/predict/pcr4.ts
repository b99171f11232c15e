import { extendAll, separatorDigest, textDigest } from './pcr.ts'
import { authenticodeDigest, parsePe, type HashParts, type PeImage } from './pe.ts'

/** Authenticode digests of what the firmware starts. */
export interface BootBinaries {
  /** The first boot option's image. */
  loader: Uint8Array
  /** The kernel inside a unified image, if the firmware measures it as well. */
  kernel?: Uint8Array | undefined
}

/**
 * systemd's stub starts the kernel inside a unified image through the firmware, which measures it as well. With Secure
 * Boot, the stub makes the firmware skip its checks, because the outer signature covers the kernel, and that skips the
 * measurement too.
 * @param o.kernel whether to compute the kernel's digest: it is measured only without Secure Boot
 * @param o.sha256 for authenticodeDigest
 * @throws ParseError if a unified image's kernel is not a PE image
 */
export async function bootBinaries(o: {
  image: PeImage
  kernel: boolean
  sha256?: HashParts | undefined
}): Promise<BootBinaries> {
  const loader = await authenticodeDigest(o.image, o.sha256)
  const kernel = o.image.sections.find((section) => section.name === '.linux')
  if (kernel === undefined || !o.kernel) return { loader }
  return { loader, kernel: await authenticodeDigest(parsePe(kernel.data), o.sha256) }
}

/**
 * What is extended into PCR 4 of a boot whose first boot option starts this image: the firmware's announcement, the separator, the
 * image, and without Secure Boot the kernel inside it.
 * Source: TCG PC Client Platform Firmware Profile section 3.3.4.5, EDK II, systemd-stub 257.
 */
export async function pcr4Digests({ loader, kernel }: BootBinaries): Promise<Uint8Array[]> {
  const before = [await textDigest('Calling EFI Application from Boot Option'), await separatorDigest()]
  return [...before, loader, ...(kernel === undefined ? [] : [kernel])]
}

/**
 * PCR 4 of a boot of this image. @throws ParseError like bootBinaries
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { parsePe, predictPcr4 } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * toHex(await predictPcr4({ image, secureBoot: true })).slice(0, 16) // => '7d72a12c725ca55b'
 */
export async function predictPcr4(o: { image: PeImage; secureBoot: boolean; sha256?: HashParts }): Promise<Uint8Array> {
  return extendAll(await pcr4Digests(await bootBinaries({ ...o, kernel: !o.secureBoot })))
}
