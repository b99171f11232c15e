import type { ErrorDetail } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { faqRule, type FaqRuleId } from '../arm/faq-rule.ts'

/** Refusals from the host that result from a FAQ rule: the resource manager knows where the answers are. */
const rules: Partial<Record<string, FaqRuleId>> = {
  ImageNotQualified: 'S12',
  InstanceWithoutCustomerKey: 'S16',
  MemoryDumpRefused: 'S9',
}

const rulesIn = (detail: ErrorDetail): FaqRuleId[] => [
  ...(rules[detail.code] === undefined ? [] : [rules[detail.code]!]),
  ...(detail.details ?? []).flatMap(rulesIn),
]

/** An error that the host sent or recorded, as a refusal citing its rules. */
export function fromDetail(detail: ErrorDetail, status: number = 409): ServiceError {
  const own = detail.details ?? []
  const cited = [...new Set(rulesIn(detail))].filter((rule) => !own.some(({ target }) => target === rule))
  return ServiceError.relayed({ ...detail, details: [...own, ...cited.map(faqRule)] }, status)
}
