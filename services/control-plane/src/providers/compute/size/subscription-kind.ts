import { faqRule } from '../../../arm/faq-rule.ts'
import type { ErrorDetail } from '@strongroom/contract'

/** The FAQ's rule on quotas, as a refusal cites it. */
export const s22: ErrorDetail = faqRule('S22')
