import type { SnpProduct, TcbVersion } from './products.ts'
import type { SnpReport } from './report.ts'
import { decodeTcb, tcbParts } from './tcb.ts'

/** A platform component that is older than required. */
export interface TcbLack {
  component: string
  found: number
  wanted: number
  /** How to update it, as a sentence. */
  update: string
}

/**
 * For display: `SNP firmware: 20 found, 22 wanted. Install …`.
 * @example
 * import { describeLack } from '@strongroom/evidence/advisories'
 *
 * const lack = { component: 'SNP firmware', found: 20, wanted: 22, update: 'Install it.' }
 * describeLack(lack) // => 'SNP firmware: 20 found, 22 wanted. Install it.'
 */
export const describeLack = ({ component, found, wanted, update }: TcbLack): string =>
  `${component}: ${found} found, ${wanted} wanted. ${update}`

const names: Record<keyof TcbVersion, string> = {
  fmc: 'first mutable code',
  bootLoader: 'boot loader of the secure processor',
  tee: 'operating system of the secure processor',
  snp: 'SNP firmware',
  microcode: 'microcode',
}

const installs: Record<keyof TcbVersion, string> = {
  fmc: 'Install the newer BIOS of the board’s maker (AGESA) on the host.',
  bootLoader: 'Install the newer BIOS of the board’s maker (AGESA) on the host.',
  tee: 'Install the newer BIOS of the board’s maker (AGESA) on the host.',
  snp: 'Install the newer BIOS, or load newer SEV firmware on the host (linux-firmware, amd/amd_sev_*).',
  microcode: 'Install the newer BIOS, or the newer AMD microcode in the host’s operating system.',
}

/**
 * How far an SNP platform is behind, by what its report vouches for and by what the guest was launched under (SNP ABI
 * section 7.3): installed but uncommitted versions need a commit; committed versions newer than the launch need a guest
 * restart.
 * @param wanted minimum versions, for example tcbMinimum of its line
 * @throws ParseError if the versions are invalid for that product
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpReport } from '@strongroom/evidence'
 * import { snpShortfall, tcbMinimum } from '@strongroom/evidence/advisories'
 *
 * const report = parseSnpReport(await readFile('report.bin'))
 * const [first] = snpShortfall(report, 'Milan', tcbMinimum('Milan'))
 * first?.component // => 'SNP firmware'
 * first?.found // => 8
 */
export function snpShortfall(report: SnpReport, product: SnpProduct, wanted: TcbVersion): TcbLack[] {
  const [current, reported, launch] = [report.currentTcb, report.reportedTcb, report.launchTcb].map((tcb) =>
    decodeTcb(tcb, product),
  ) as [TcbVersion, TcbVersion, TcbVersion]
  return tcbParts.flatMap((part) => {
    const found = Math.min(reported[part], launch[part])
    if (found >= wanted[part]) return []
    const update =
      current[part] < wanted[part]
        ? installs[part]
        : reported[part] < wanted[part]
          ? 'It is installed: commit it on the host (SNP_COMMIT), and have the VCEK of the new versions fetched.'
          : 'The host has it: restart the VM, which was launched under the older one.'
    return [{ component: names[part], found, wanted: wanted[part], update }]
  })
}
