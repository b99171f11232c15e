import { extendAll, separatorDigest, textDigest } from './pcr.ts'
import { authenticodeDigest, type PeImage } from './pe.ts'

/**
 * PCR 4 of a boot whose first boot option starts this image: the firmware's announcement, the separator, the image.
 * systemd's stub starts the kernel inside a unified image without asking the firmware, so that one is not measured here.
 * Source: TCG PC Client Platform Firmware Profile section 3.3.4.5 and EDK II.
 */
export async function predictPcr4(image: PeImage): Promise<Uint8Array> {
  return extendAll([
    await textDigest('Calling EFI Application from Boot Option'),
    await separatorDigest(),
    await authenticodeDigest(image),
  ])
}
