import type { CpuIdentity, SnpProduct, TcbVersion } from './products.ts'
import type { SnpReport } from './report.ts'
import { decodeTcb, tcbParts } from './tcb.ts'

/** What a report states about its platform, as far as silicon flaws are concerned. */
export interface SnpPlatform {
  product: SnpProduct
  /** Absent in reports before version 3. */
  cpu: CpuIdentity | undefined
  /** The older of the signing version and the launch version, per component: what was vulnerable at launch stays so. */
  tcb: TcbVersion
  /** The firmware looked for aliased memory and found none. */
  aliasCheckComplete: boolean
}

/** An advisory whose fix a platform lacks, or its report does not show. */
export interface OpenAdvisory {
  id: string
  name?: string
  references: readonly string[]
  bulletin: string
  /** For example `microcode 219 wanted, 218 found`; empty if no version in a report shows it. */
  lacks: string[]
}

/**
 * @throws ParseError if the versions do not belong to that product
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpReport } from '@strongroom/evidence'
 * import { snpPlatform } from '@strongroom/evidence/advisories'
 *
 * const platform = snpPlatform(parseSnpReport(await readFile('report.bin')), 'Milan')
 * platform.tcb.microcode // => 115
 * platform.cpu // => undefined
 */
export function snpPlatform(report: SnpReport, product: SnpProduct): SnpPlatform {
  const tcb = decodeTcb(report.reportedTcb, product)
  const launch = decodeTcb(report.launchTcb, product)
  for (const part of tcbParts) tcb[part] = Math.min(tcb[part], launch[part])
  return { product, cpu: report.cpu, tcb, aliasCheckComplete: report.platformInfo.aliasCheckComplete }
}
