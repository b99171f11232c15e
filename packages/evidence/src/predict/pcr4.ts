import { extendAll, separatorDigest, textDigest } from './pcr.ts'
import { authenticodeDigest, parsePe, type HashParts, type PeImage } from './pe.ts'

/**
 * PCR 4 of a boot whose first boot option starts this image: the firmware's announcement, the separator, the image.
 * systemd's stub starts the kernel inside a unified image through the firmware, which measures it as well; with Secure
 * Boot the stub has it pass over the firmware's checks, because the signature of the whole covers it, and over the
 * measurement with them. Source: TCG PC Client Platform Firmware Profile section 3.3.4.5, EDK II, systemd-stub 257.
 * @param o.sha256 for authenticodeDigest
 * @throws ParseError where a unified image's kernel is no PE image and Secure Boot is off
 */
export async function predictPcr4(o: { image: PeImage; secureBoot: boolean; sha256?: HashParts }): Promise<Uint8Array> {
  const digests = [
    await textDigest('Calling EFI Application from Boot Option'),
    await separatorDigest(),
    await authenticodeDigest(o.image, o.sha256),
  ]
  const kernel = o.image.sections.find((section) => section.name === '.linux')
  if (kernel !== undefined && !o.secureBoot) digests.push(await authenticodeDigest(parsePe(kernel.data), o.sha256))
  return extendAll(digests)
}
