import { snpAdvisories, type SnpAdvisory } from './advisories.ts'
import { lineOf, type SnpLine } from './lines.ts'
import type { OpenAdvisory, SnpPlatform } from './platform.ts'
import type { TcbVersion } from './products.ts'
import { tcbParts } from './tcb.ts'

/**
 * Minimum versions that fix every advisory for a line; 0 for a component that no advisory names.
 * @example
 * import { tcbMinimum } from '@strongroom/evidence/advisories'
 *
 * const { snp, microcode } = tcbMinimum('Milan')
 * snp > 8 && microcode > 115 // => true
 */
export function tcbMinimum(line: SnpLine): TcbVersion {
  const minimum: TcbVersion = { fmc: 0, bootLoader: 0, tee: 0, snp: 0, microcode: 0 }
  for (const fix of snpAdvisories.map(({ lines }) => lines[line])) {
    if (fix === undefined || fix === 'notShown') continue
    for (const part of tcbParts) minimum[part] = Math.max(minimum[part], fix.minimum[part] ?? 0)
  }
  return minimum
}

/**
 * Advisories for a platform whose fix its report does not show; `lacks` lists the missing versions.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpReport } from '@strongroom/evidence'
 * import { openAdvisories, snpPlatform } from '@strongroom/evidence/advisories'
 *
 * const report = parseSnpReport(await readFile('report.bin')) // of 2023
 * const open = openAdvisories(snpPlatform(report, 'Milan'))
 * open.some(({ id, lacks }) => id === 'AMD-SB-3019' && lacks.length > 0) // => true
 */
export function openAdvisories(platform: SnpPlatform): OpenAdvisory[] {
  return of(platform).filter(({ lacks }) => lacks.length > 0)
}

/**
 * Advisories for a platform that no version in a report shows, so that other evidence is needed.
 * @example
 * import { advisoriesNotShown } from '@strongroom/evidence/advisories'
 *
 * const open = advisoriesNotShown({ product: 'Genoa', cpu: undefined })
 * // Somebody else has to say that these are answered: no version in a report does.
 * open.every(({ lacks }) => lacks.length === 0) // => true
 */
export function advisoriesNotShown(platform: Pick<SnpPlatform, 'product' | 'cpu'>): OpenAdvisory[] {
  const line = lineOf(platform.product, platform.cpu)
  return snpAdvisories.filter(({ lines }) => lines[line] === 'notShown').map((advisory) => opened(advisory, []))
}

function of(platform: SnpPlatform): OpenAdvisory[] {
  const line = lineOf(platform.product, platform.cpu)
  return snpAdvisories.flatMap((advisory) => {
    const fix = advisory.lines[line]
    if (fix === undefined || fix === 'notShown') return []
    const lacks = tcbParts
      .filter((part) => platform.tcb[part] < (fix.minimum[part] ?? 0))
      .map((part) => `${part} ${fix.minimum[part]} wanted, ${platform.tcb[part]} found`)
    if (fix.aliasCheck === true && !platform.aliasCheckComplete) lacks.push('no completed check of aliased memory')
    return [opened(advisory, lacks)]
  })
}

function opened({ id, name, references, bulletin }: SnpAdvisory, lacks: string[]): OpenAdvisory {
  return { id, ...(name === undefined ? {} : { name }), references, bulletin, lacks }
}
