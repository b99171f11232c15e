import { utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'
import { bootPhases, measuredSections, type BootPhase } from '../../eventlog/boot-phases.ts'
import { extendAll, textDigest } from './pcr.ts'
import type { PeImage } from './pe.ts'

/** SHA-256 of one section's content in memory. */
export interface MeasuredSection {
  name: string
  sha256: Uint8Array
}

/**
 * The sections of an image that the stub measures, in its order.
 * @throws ParseError Duplicate for images with profiles, whose sections repeat
 */
export async function measureSections(image: PeImage): Promise<MeasuredSection[]> {
  const sections: MeasuredSection[] = []
  for (const name of measuredSections) {
    const found = image.sections.filter((section) => section.name === name)
    if (found.length > 1) {
      throw new ParseError({
        code: 'Duplicate',
        message: `unified kernel image: section ${name} occurs ${found.length} times`,
      })
    }
    const section = found[0]
    if (section === undefined) continue
    sections.push({ name, sha256: await digest('SHA-256', section.data) })
  }
  return sections
}

/** What the stub extends: per section its name with the terminating zero, then its content. */
async function sectionDigestsOf(sections: readonly MeasuredSection[]): Promise<Uint8Array[]> {
  const digests: Uint8Array[] = []
  for (const { name, sha256 } of sections) digests.push(await digest('SHA-256', utf8(`${name}\0`)), sha256)
  return digests
}

/**
 * Digests that the stub extends for an image. @throws ParseError as measureSections
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parsePe, sectionDigests } from '@strongroom/evidence/expected'
 *
 * const digests = await sectionDigests(parsePe(await readFile('boot.efi')))
 * digests.every(({ length }) => length === 32) // => true
 */
export async function sectionDigests(image: PeImage): Promise<Uint8Array[]> {
  return await sectionDigestsOf(await measureSections(image))
}

/**
 * PCR 11 of a boot of a unified kernel image.
 * @param through the last phase entered; without it, the value after the stub
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { parsePe, predictPcr11 } from '@strongroom/evidence/expected'
 *
 * const image = parsePe(await readFile('boot.efi'))
 * toHex(await predictPcr11(image, 'ready')).slice(0, 16) // => '28d8e5eb66e77d5d'
 */
export async function predictPcr11(image: PeImage, through?: BootPhase): Promise<Uint8Array> {
  return extendAll(await pcr11DigestsOf(await measureSections(image), through))
}

/** What is extended into PCR 11, in order: by the stub, then by systemd. */
export async function pcr11DigestsOf(sections: readonly MeasuredSection[], through?: BootPhase): Promise<Uint8Array[]> {
  const phases = await Promise.all(phasesThrough(through).map((phase) => textDigest(phase)))
  return [...(await sectionDigestsOf(sections)), ...phases]
}

/**
 * True if the image has what systemd's stub needs to start it.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { isUnifiedKernelImage, parsePe } from '@strongroom/evidence/expected'
 *
 * isUnifiedKernelImage(parsePe(await readFile('boot.efi'))) // => true
 */
export function isUnifiedKernelImage(image: PeImage): boolean {
  const names = new Set(image.sections.map((section) => section.name))
  return names.has('.linux') && names.has('.osrel') && names.has('.cmdline')
}

function phasesThrough(phase: BootPhase | undefined): readonly BootPhase[] {
  return phase === undefined ? [] : bootPhases.slice(0, bootPhases.indexOf(phase) + 1)
}
