import { randomUUID } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { keyOf } from '../../../arm/resource-id.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../plane.ts'
import { toNumber } from '../decimal.ts'
import { readBudget } from './budget-request.ts'
import {
  budgetOf,
  budgetType,
  idOf,
  listAlerts,
  listBudgets,
  raiseAlerts,
  spendingReader,
  type AlertDetails,
  type AlertRow,
  type BudgetRow,
  type Spending,
} from './budgets.ts'

/** Each is computed at every check. */
const mostBudgets = 100

/** Microsoft.Consumption's budgets of the subscription and its groups, and their alerts. */
export function budgetRoutes(plane: Plane): Route[] {
  return [subscriptionPath, groupPath].flatMap((scope): Route[] => {
    const list = `${scope}/providers/${budgetType}`
    const one = `${list}/{budget}`
    return [
      route.get(list, `${budgetType}/read`, async (request) => {
        const here = await scopeOf(plane, request)
        const spending = spendingReader(plane)
        const rows = (await listBudgets(plane)).filter((row) => row.scope === keyOf(here))
        return ok({ value: await Promise.all(rows.map(async (row) => view(row, await spending(row)))) })
      }),
      route.get(one, `${budgetType}/read`, async (request) => {
        const row = await find(plane, await scopeOf(plane, request), param(request, 'budget'))
        if (row === undefined) throw notFound(param(request, 'budget'))
        return ok(view(row, await spendingReader(plane)(row)))
      }),
      route.put(one, `${budgetType}/write`, async (request) => await put(plane, request)),
      route.delete(one, `${budgetType}/delete`, async (request) => {
        const [here, name] = [keyOf(await scopeOf(plane, request)), keyOf(param(request, 'budget'))]
        return await plane.resources.transaction(async (tx) => {
          await tx.deleteFrom('budget_alert').where('scope', '=', here).where('budget', '=', name).execute()
          const gone = await tx.deleteFrom('budget').where('scope', '=', here).where('name', '=', name).executeTakeFirst() // prettier-ignore
          return { status: Number(gone.numDeletedRows) === 0 ? 204 : 200 }
        })
      }),
      route.get(
        `${scope}/providers/Microsoft.CostManagement/alerts`,
        'Microsoft.CostManagement/alerts/read',
        async (request) => {
          const here = await scopeOf(plane, request)
          // A read shows what is due now.
          await raiseAlerts(plane)
          return ok({ value: (await listAlerts(plane, here)).map(({ alert, budget }) => alertView(alert, budget)) })
        },
      ),
    ]
  })
}

/** @throws ServiceError ResourceGroupNotFound */
async function scopeOf(plane: Plane, request: ArmRequest): Promise<string> {
  const scope = request.path.slice(0, request.path.toLowerCase().indexOf('/providers/microsoft.'))
  return scope.split('/').length > 3 ? (await plane.resources.requireGroup(scope)).id : scope
}

async function find(plane: Plane, scope: string, name: string): Promise<BudgetRow | undefined> {
  const query = plane.resources.db.selectFrom('budget').selectAll().where('scope', '=', keyOf(scope))
  return await query.where('name', '=', keyOf(name)).executeTakeFirst()
}

async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const name = param(request, 'budget')
  const { budget, etag } = readBudget(request.body, name)
  const scope = await scopeOf(plane, request)
  const key = { scope: keyOf(scope), name: keyOf(name) }
  const { row, isNew } = await plane.resources.transaction(async (tx) => {
    // A group being deleted removes its budgets.
    if (scope.split('/').length > 3) await plane.resources.lockGroup(tx, scope)
    const query = tx.selectFrom('budget').selectAll().where('scope', '=', key.scope).where('name', '=', key.name)
    const before = await plane.resources.forUpdate(query).executeTakeFirst()
    if (etag !== undefined && etag !== before?.etag) throw changedSince(etag, before)
    const all = await tx.selectFrom('budget').select('name').execute()
    if (before === undefined && all.length >= mostBudgets) throw tooMany()
    const next: BudgetRow = {
      ...key,
      display_scope: scope,
      display_name: before?.display_name ?? name,
      definition: JSON.stringify(budget),
      etag: randomUUID(),
      created_at: before?.created_at ?? plane.usage.now().toISOString(),
    }
    await tx
      .insertInto('budget')
      .values(next)
      .onConflict((conflict) =>
        conflict.columns(['scope', 'name']).doUpdateSet({ definition: next.definition, etag: next.etag }),
      ) // prettier-ignore
      .execute()
    // Earlier alerts were about another budget: this one alerts again.
    await tx.deleteFrom('budget_alert').where('scope', '=', key.scope).where('budget', '=', key.name).execute()
    return { row: next, isNew: before === undefined }
  })
  await raiseAlerts(plane)
  return { status: isNew ? 201 : 200, body: view(row, await spendingReader(plane)(row)) }
}

function view(row: BudgetRow, { spent, currency }: Spending): Record<string, unknown> {
  const { startDate, endDate, ...budget } = budgetOf(row)
  return {
    id: idOf(row),
    name: row.display_name,
    type: budgetType,
    eTag: row.etag,
    properties: {
      ...budget,
      timePeriod: { startDate, endDate },
      currentSpend: { amount: toNumber(spent), unit: currency },
    },
  }
}

function alertView(alert: AlertRow, budget: BudgetRow): Record<string, unknown> {
  const details = JSON.parse(alert.details) as AlertDetails
  const { amount, threshold, currentSpend, unit } = details
  return {
    id: `${budget.display_scope}/providers/Microsoft.CostManagement/alerts/${alert.id}`,
    name: alert.id,
    type: 'Microsoft.CostManagement/alerts',
    properties: {
      definition: { type: 'Budget', category: 'Cost', criteria: 'CostThresholdExceeded' },
      description: `${budget.display_name}: ${currentSpend} of ${amount} ${unit} is spent; the notification threshold is ${threshold} %.`,
      source: 'Preset',
      details: { ...details, timeGrainType: details.timeGrain, periodStartDate: alert.period, triggeredBy: alert.notification }, // prettier-ignore
      costEntityId: budget.display_name,
      status: 'Active',
      creationTime: alert.raised_at,
    },
  }
}

const notFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'NotFound',
    message: `There is no budget '${name.slice(0, 63)}' at this scope.`,
    found: name.slice(0, 63),
    remedy: 'List them: az consumption budget list.',
  })

const changedSince = (etag: string, before: BudgetRow | undefined): ServiceError =>
  new ServiceError({
    code: 'PreconditionFailed',
    message: 'The budget’s eTag differs from the one sent.',
    target: 'eTag',
    expected: before?.etag ?? 'no eTag: there is no such budget',
    found: etag.slice(0, 80),
    remedy: 'Read the budget again and apply the change to its current state.',
  })

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message: `There are already ${mostBudgets} budgets, the limit of an installation.`,
    expected: `fewer than ${mostBudgets}`,
    found: String(mostBudgets),
    remedy: 'Delete unused ones.',
  })
