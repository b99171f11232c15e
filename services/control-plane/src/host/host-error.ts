import type { ErrorDetail } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { faqRule, type FaqRuleId } from '../arm/faq-rule.ts'

/** Refusals of the host that follow from a rule of the FAQ: where the answers stand is for the resource manager to say. */
const rules: Partial<Record<string, FaqRuleId>> = {
  ImageNotQualified: 'S12',
  InstanceWithoutCustomerKey: 'S16',
  MemoryDumpRefused: 'S9',
}

const rulesIn = (detail: ErrorDetail): FaqRuleId[] => [
  ...(rules[detail.code] === undefined ? [] : [rules[detail.code]!]),
  ...(detail.details ?? []).flatMap(rulesIn),
]

/** An error that the host sent or recorded, as a refusal that cites the rules it follows from. */
export function fromDetail(detail: ErrorDetail, status: number = 409): ServiceError {
  const own = detail.details ?? []
  const cited = [...new Set(rulesIn(detail))].filter((rule) => !own.some(({ target }) => target === rule))
  return ServiceError.relayed({ ...detail, details: [...own, ...cited.map(faqRule)] }, status)
}
