import { randomUUID } from 'node:crypto'
import type { Logger } from '@strongroom/platform'
import { Fields } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/resource-id.ts'
import type { Plane } from '../../../plane.ts'
import { insertIfAbsent } from '../../../store/rows.ts'
import type { Tables } from '../../../store/tables.ts'
import { readFilter } from '../cost-query.ts'
import { readLines } from '../cost-lines.ts'
import { add, toNumber, zero, type Fraction } from '../decimal.ts'
import type { UsageLine } from '../usage-lines.ts'
import { isReached, notificationsOf, periodOf, type Budget } from './budget.ts'

export const budgetType = 'Microsoft.Consumption/budgets'

export type BudgetRow = Tables['budget']
export type AlertRow = Tables['budget_alert']

/** A budget's state in the current period. */
export interface Spending {
  /** First day of the period; undefined outside the budget's time. */
  period: string | undefined
  spent: Fraction
  currency: string
}

/** As an alert shows it. */
export interface AlertDetails {
  amount: number
  threshold: number
  operator: string
  currentSpend: number
  unit: string
  timeGrain: string
}

export const budgetOf = (row: BudgetRow): Budget => JSON.parse(row.definition) as Budget
export const idOf = (row: BudgetRow): string => `${row.display_scope}/providers/${budgetType}/${row.display_name}`

/** Budgets of the subscription and of groups. */
export async function listBudgets(plane: Pick<Plane, 'resources'>): Promise<BudgetRow[]> {
  return await plane.resources.db.selectFrom('budget').selectAll().orderBy('scope').orderBy('name').execute()
}

/** Reads usage once for all budgets of one period. */
export function spendingReader(plane: Pick<Plane, 'resources' | 'usage'>): (row: BudgetRow) => Promise<Spending> {
  const now = plane.usage.now()
  const read = new Map<string, ReturnType<typeof readLines>>()
  return async (row) => {
    const budget = budgetOf(row)
    const period = periodOf(budget, now)
    const currencyOnly = { from: now, to: new Date(now.getTime() + 1) }
    const wanted = period ?? currencyOnly
    const key = `${wanted.from.toISOString()} ${wanted.to.toISOString()}`
    const lines = read.get(key) ?? readLines(plane, wanted)
    read.set(key, lines)
    const found = await lines
    const counts = filterOf(row.scope, budget)
    const unit = budget.category === 'Usage' ? (line: UsageLine) => line.hours : (line: UsageLine) => line.cost
    const spent = period === undefined ? zero : found.lines.filter(counts).map(unit).reduce(add, zero)
    return { period: period?.from.toISOString().slice(0, 10), spent, currency: budget.category === 'Usage' ? 'Hours' : found.prices.currency } // prettier-ignore
  }
}

function filterOf(scope: string, { filter, filters }: Budget): (line: UsageLine) => boolean {
  const keep = readFilter(new Fields(filter), 0)
  const within = (list: string[] | undefined, value: string): boolean =>
    list === undefined || list.length === 0 || list.some((each) => each.toLowerCase() === value.toLowerCase())
  return (line) =>
    `${line.resourceId.toLowerCase()}/`.startsWith(`${scope}/`) &&
    keep(line) &&
    within(filters?.resourceGroups, line.resourceId.split('/')[4] ?? '') &&
    within(filters?.resources, line.resourceId) &&
    within(filters?.meters, line.meter)
}

/**
 * Raises due alerts: one per notification whose threshold is reached, once per period, with an event in the activity
 * log. Several processes may check at the same time.
 */
export async function raiseAlerts(plane: Plane): Promise<void> {
  const spending = spendingReader(plane)
  for (const row of await listBudgets(plane)) {
    const budget = budgetOf(row)
    const { period, spent, currency } = await spending(row)
    if (period === undefined) continue
    for (const [name, notification] of Object.entries(notificationsOf(budget))) {
      if (!notification.enabled || !isReached(notification, spent, budget.amount)) continue
      const { operator, threshold } = notification
      const { amount, timeGrain } = budget
      const details: AlertDetails = { amount, threshold, operator, currentSpend: toNumber(spent), unit: currency, timeGrain } // prettier-ignore
      await raise(plane, row, { notification: name, period, details: JSON.stringify(details) })
    }
  }
}

async function raise(
  plane: Plane,
  row: BudgetRow,
  o: Pick<AlertRow, 'notification' | 'period' | 'details'>,
): Promise<void> {
  const alert: AlertRow = {
    id: randomUUID(),
    scope: row.scope,
    budget: row.name,
    ...o,
    raised_at: plane.usage.now().toISOString(),
  }
  await plane.resources.transaction(async (tx) => {
    // Changed or deleted meanwhile: the threshold was another budget's.
    const held = tx.selectFrom('budget').select('etag').where('scope', '=', row.scope).where('name', '=', row.name)
    if ((await plane.resources.forUpdate(held).executeTakeFirst())?.etag !== row.etag) return
    if (!(await insertIfAbsent(tx.insertInto('budget_alert').values(alert)))) return
    const action = `${budgetType}/thresholdReached/event`
    await plane.activity.write({ caller: budgetType, action, resourceId: idOf(row), status: 200, correlationId: alert.id, tx }) // prettier-ignore
  })
}

/** Alerts of a scope and below it, newest first. @param scope in any case */
export async function listAlerts(plane: Plane, scope: string): Promise<{ alert: AlertRow; budget: BudgetRow }[]> {
  const budgets = new Map((await listBudgets(plane)).map((row) => [`${row.scope} ${row.name}`, row]))
  const rows = await plane.resources.db
    .selectFrom('budget_alert')
    .selectAll()
    .orderBy('raised_at', 'desc')
    .orderBy('id')
    .execute()
  return rows.flatMap((alert) => {
    const budget = budgets.get(`${alert.scope} ${alert.budget}`)
    const isHere = `${alert.scope}/`.startsWith(`${keyOf(scope)}/`)
    return budget !== undefined && isHere ? [{ alert, budget }] : []
  })
}

/** Azure looks a few times a day. */
const everyMs = 10 * 60_000

/** Checks the budgets periodically. @returns a function that ends it, after a check in progress */
export function watchBudgets(plane: Plane, logger: Logger): () => Promise<void> {
  let looking: Promise<void> = Promise.resolve()
  const look = (): void => {
    looking = looking
      .then(async () => await raiseAlerts(plane))
      .catch((error: unknown) => logger.error({ err: error }, 'the budgets could not be evaluated'))
  }
  const timer = setInterval(look, everyMs).unref()
  return async () => {
    clearInterval(timer)
    await looking
  }
}
