// Separate entry point: the advisory table is large, and verifiers with their own reference values do not need it.
export { snpAdvisories, type SnpAdvisory } from './snp/advisories.ts'
export { lineOf, snpLines, type SnpLine } from './snp/lines.ts'
export { snpPlatform, type OpenAdvisory, type SnpPlatform } from './snp/platform.ts'
export { describeLack, snpShortfall, type TcbLack } from './snp/shortfall.ts'
export { tdxShortfall, type TdxShortfall } from './tdx/shortfall.ts'
export { advisoriesNotShown, openAdvisories, tcbMinimum } from './snp/tcb-minimum.ts'
