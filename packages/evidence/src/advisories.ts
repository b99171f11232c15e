// An entry of its own: the table of flaws weighs, and who judges by reference values of his own does not need it.
export { snpAdvisories, type SnpAdvisory } from './snp/advisories.ts'
export { lineOf, snpLines, type SnpLine } from './snp/lines.ts'
export { snpPlatform, type OpenAdvisory, type SnpPlatform } from './snp/platform.ts'
export { describeLack, snpShortfall, type TcbLack } from './snp/shortfall.ts'
export { tdxShortfall, type TdxShortfall } from './tdx/shortfall.ts'
export { advisoriesNotShown, openAdvisories, tcbMinimum } from './snp/tcb-minimum.ts'
