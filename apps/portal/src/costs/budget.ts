import { list, subscriptionPath, versions } from '../wire/arm.ts'
import { groupOf } from '../machines/machine.ts'
import { money, noCurrency } from './cost.ts'

/** A budget of the subscription or of a group, with what is spent of it. */
export interface Budget {
  id: string
  name: string
  properties: {
    amount: number
    timeGrain: string
    /** Of the period that is under way; an ISO 4217 code, or `Hours`. */
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

/** Every budget and every alert that the principal may see; whoever asks for alerts has them raised that are due. @throws WireError */
export async function readBudgets(signal?: AbortSignal): Promise<Budgets> {
  const subscription = await subscriptionPath()
  const groups = await list<{ id: string }>(`${subscription}/resourceGroups`, versions.resources, signal)
  const budgets: Budget[] = []
  // One after the other: a list of budgets is one scope's, and there may be many groups.
  for (const scope of [subscription, ...groups.map(({ id }) => id)])
    budgets.push(...(await list<Budget>(`${scope}/providers/Microsoft.Consumption/budgets`, versions.budgets, signal)))
  const alerts = await list<BudgetAlert>(
    `${subscription}/providers/Microsoft.CostManagement/alerts`,
    versions.cost,
    signal,
  )
  return { budgets, alerts }
}

/** The group that a budget is of; undefined for one of the whole subscription. */
export const groupOfBudget = ({ id }: Budget): string | undefined => groupOf(id) || undefined

/** What is spent of how much, in the unit that the budget counts. */
export function spentOf({ properties: { amount, currentSpend } }: Budget): string {
  const { unit } = currentSpend
  if (unit === 'Hours') return `${currentSpend.amount.toFixed(2)} of ${amount} hours`
  const currency = unit === noCurrency ? undefined : unit
  return `${money(currentSpend.amount, currency)} of ${money(amount, currency)}`
}

/** Percent, a whole number; what is over is over. */
export const shareOf = ({ properties: { amount, currentSpend } }: Budget): number =>
  amount === 0 ? (currentSpend.amount === 0 ? 0 : 100) : Math.floor((currentSpend.amount / amount) * 100)
