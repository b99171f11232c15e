import type { CpuIdentity, SnpProduct } from './products.ts'

/**
 * Processor lines with their own microcode numbering. Several are endorsed as one product, and a patch level of one is
 * meaningless for another. Bergamo and Siena share theirs.
 * @example
 * import { snpLines, tcbMinimum } from '@strongroom/evidence/advisories'
 *
 * snpLines.map((line) => `${line}: microcode ${tcbMinimum(line).microcode}`).length // => 7
 */
export const snpLines = ['Milan', 'Milan-X', 'Genoa', 'Genoa-X', 'Bergamo', 'Turin', 'Turin Dense'] as const
export type SnpLine = (typeof snpLines)[number]

/**
 * Line of the processor that made a report.
 * @param cpu absent in reports before version 3: then the product's first line is assumed, whose microcode has the
 * highest numbers, so that nothing passes for another line
 * @example
 * import { lineOf } from '@strongroom/evidence/advisories'
 *
 * lineOf('Milan', { family: 0x19, model: 0x01, stepping: 2 }) // => 'Milan-X'
 * lineOf('Genoa', undefined) // => 'Genoa'
 */
export function lineOf(product: SnpProduct, cpu: CpuIdentity | undefined): SnpLine {
  if (cpu === undefined) return product
  // Parts with stacked cache are the second stepping of their model.
  if (product === 'Milan') return cpu.stepping === 2 ? 'Milan-X' : 'Milan'
  if (product === 'Turin') return cpu.model >= 0x10 ? 'Turin Dense' : 'Turin'
  if (cpu.model >= 0xa0) return 'Bergamo'
  return cpu.stepping === 2 ? 'Genoa-X' : 'Genoa'
}
