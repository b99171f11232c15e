import { list, subscriptionPath, versions } from '../wire/arm.ts'
import { groupOf } from '../machines/machine.ts'
import { money, noCurrency } from './cost.ts'

/** A budget of the subscription or a group, with what is spent. */
export interface Budget {
  id: string
  name: string
  properties: {
    amount: number
    timeGrain: string
    /** For the current period; an ISO 4217 code, or `Hours`. */
    currentSpend: { amount: number; unit: string }
  }
}

interface BudgetAlert {
  name: string
  properties: { description: string; creationTime: string }
}

export interface Budgets {
  budgets: Budget[]
  /** Newest first. */
  alerts: BudgetAlert[]
}

/** Every budget and alert that the principal may see; reading alerts raises those that are due. @throws WireError */
export async function readBudgets(signal?: AbortSignal): Promise<Budgets> {
  const subscription = await subscriptionPath()
  const groups = await list<{ id: string }>(`${subscription}/resourceGroups`, versions.resources, signal)
  const budgets: Budget[] = []
  // One after the other: a list of budgets is for one scope, and there may be many groups.
  for (const scope of [subscription, ...groups.map(({ id }) => id)])
    budgets.push(...(await list<Budget>(`${scope}/providers/Microsoft.Consumption/budgets`, versions.budgets, signal)))
  const alerts = await list<BudgetAlert>(
    `${subscription}/providers/Microsoft.CostManagement/alerts`,
    versions.cost,
    signal,
  )
  return { budgets, alerts }
}

/** The group of a budget; undefined for the whole subscription. */
export const groupOfBudget = ({ id }: Budget): string | undefined => groupOf(id) || undefined

/** Spent and total, in the budget's unit. */
export function spentOf({ properties: { amount, currentSpend } }: Budget): string {
  const { unit } = currentSpend
  if (unit === 'Hours') return `${currentSpend.amount.toFixed(2)} of ${amount} hours`
  const currency = unit === noCurrency ? undefined : unit
  return `${money(currentSpend.amount, currency)} of ${money(amount, currency)}`
}

/** Percent, a whole number; may exceed 100. */
export const shareOf = ({ properties: { amount, currentSpend } }: Budget): number =>
  amount === 0 ? (currentSpend.amount === 0 ? 0 : 100) : Math.floor((currentSpend.amount / amount) * 100)
