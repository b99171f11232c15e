import { toHex } from '../../core/bytes/hex.ts'
import { measureSections, type MeasuredSection } from './pcr11.ts'
import { bootBinaries, type BootBinaries } from './pcr4.ts'
import type { HashParts, PeImage } from './pe.ts'

/** Everything in an image's boot file that a boot's registers depend on. */
export interface BootFile extends BootBinaries {
  sections: MeasuredSection[]
}

/**
 * @param o.kernel as for bootBinaries. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { measureBootFile, parsePe } from '@strongroom/evidence/expected'
 *
 * const { loader, sections } = await measureBootFile({ image: parsePe(await readFile('boot.efi')), kernel: false })
 * loader.length // => 32
 * sections.map(({ name }) => name) // => ['.linux', '.osrel', '.cmdline', '.initrd', '.uname', '.sbat']
 */
export async function measureBootFile(o: { image: PeImage; kernel: boolean; sha256?: HashParts }): Promise<BootFile> {
  return { ...(await bootBinaries(o)), sections: await measureSections(o.image) }
}

/** A boot file as documents contain it: digests in hexadecimal. */
export const bootFileMembers = ({ loader, kernel, sections }: BootFile): object => ({
  loader: toHex(loader),
  ...(kernel && { kernel: toHex(kernel) }),
  sections: named(sections),
})

export const named = (list: readonly { name: string; sha256: Uint8Array }[]): object[] =>
  list.map(({ name, sha256 }) => ({ name, sha256: toHex(sha256) }))
