import type { CpuIdentity, SnpProduct, TcbVersion } from './products.ts'
import type { SnpReport } from './report.ts'
import { decodeTcb, tcbParts } from './tcb.ts'

/** What a report says of its platform, as far as flaws of the silicon go. */
export interface SnpPlatform {
  product: SnpProduct
  /** Absent in reports before version 3. */
  cpu: CpuIdentity | undefined
  /** The older of what signs and of what the guest was launched under, part by part: what was broken at launch stays so. */
  tcb: TcbVersion
  /** The firmware has looked for aliased memory and found none. */
  aliasCheckComplete: boolean
}

/** An advisory that a platform has not answered, or of which its report says nothing. */
export interface OpenAdvisory {
  id: string
  name?: string
  references: readonly string[]
  bulletin: string
  /** For example `microcode 219 wanted, 218 found`; empty where no version in a report tells of it. */
  lacks: string[]
}

/**
 * @throws ParseError where the versions are none of that product
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
