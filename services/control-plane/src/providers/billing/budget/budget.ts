import { fraction, parseDecimal, times, compare, type Fraction } from '../decimal.ts'
import type { Period } from '../cost-query.ts'

export const timeGrains = [
  'Monthly',
  'Quarterly',
  'Annually',
  'BillingMonth',
  'BillingQuarter',
  'BillingAnnual',
] as const
export const operators = ['EqualTo', 'GreaterThan', 'GreaterThanOrEqualTo'] as const

/** When a budget alerts. Nobody is mailed: contacts are only stored. */
export interface Notification {
  enabled: boolean
  operator: (typeof operators)[number]
  /** Percent of the amount. */
  threshold: number
  thresholdType: 'Actual'
  contactEmails: string[]
  contactRoles: string[]
  contactGroups: string[]
}

export interface Budget {
  category: 'Cost' | 'Usage'
  /** In the price list's currency, or hours and GiB-hours for `Usage`. */
  amount: number
  timeGrain: (typeof timeGrains)[number]
  /** ISO times. */
  startDate: string
  endDate: string
  /** In the format of Cost Management's query filters. */
  filter?: unknown
  /** As az consumption writes filters. */
  filters?: { resourceGroups: string[]; resources: string[]; meters: string[] }
  notifications: Record<string, Notification>
}

/** A budget without notifications alerts when all of it is spent: az sends none. */
const whenSpent: Record<string, Notification> = {
  Spent: {
    enabled: true,
    operator: 'GreaterThanOrEqualTo',
    threshold: 100,
    thresholdType: 'Actual',
    contactEmails: [],
    contactRoles: [],
    contactGroups: [],
  },
}

export const notificationsOf = ({ notifications }: Budget): Record<string, Notification> =>
  Object.keys(notifications).length === 0 ? whenSpent : notifications

const monthsOf = { Month: 1, Quarter: 3, Annual: 12 } as const

/** The UTC month, quarter or year that contains a time; undefined before the budget begins and after it ends. */
export function periodOf({ timeGrain, startDate, endDate }: Budget, now: Date): Period | undefined {
  if (now < new Date(startDate) || now >= new Date(endDate)) return undefined
  const grain = /Annual/.test(timeGrain) ? 'Annual' : /Quarter/.test(timeGrain) ? 'Quarter' : 'Month'
  const months = monthsOf[grain]
  const first = Math.floor(now.getUTCMonth() / months) * months
  const at = (month: number): Date => new Date(Date.UTC(now.getUTCFullYear(), month, 1))
  return { from: at(first), to: at(first + months) }
}

/** Whether spending relates to the amount as the notification requires. */
export function isReached({ operator, threshold }: Notification, spent: Fraction, amount: number): boolean {
  const limit = times(
    times(parseDecimal(amount) ?? fraction(0), parseDecimal(threshold) ?? fraction(0)),
    fraction(1, 100),
  )
  const order = compare(spent, limit)
  if (operator === 'GreaterThan') return order > 0n
  return operator === 'EqualTo' ? order === 0n : order >= 0n
}
