import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../types/plane.ts'
import { writeSetting } from '../../store/rows.ts'
import { priceListSetting, readLines, readPriceList } from './cost-lines.ts'
import { costTable, readCostQuery, readUsageFilter, type Period } from './cost-query.ts'
import { parsePriceList } from './price-list.ts'
import { usageDetail } from './usage-detail.ts'
import { dayOf, dayStart, nextDay } from './usage-lines.ts'

/** Usage and cost (S27): Azure's clients read them as usage details and by queries. */
export function billingRoutes(plane: Plane): Route[] {
  const usage = `${subscriptionPath}/providers/Microsoft.Consumption/usageDetails`
  const ofPeriod = `${subscriptionPath}/providers/Microsoft.Billing/billingPeriods/{period}/providers/Microsoft.Consumption/usageDetails`
  const sheet = `${subscriptionPath}/providers/Strongroom.Billing/priceSheet`
  return [
    route.get(
      usage,
      'Microsoft.Consumption/usageDetails/read',
      async (request) => await usageDetails(plane, request, monthToDate(plane)),
    ),
    route.get(
      ofPeriod,
      'Microsoft.Consumption/usageDetails/read',
      async (request) => await usageDetails(plane, request, billingPeriod(param(request, 'period'))),
    ),
    ...[subscriptionPath, groupPath].map((scope): Route =>
      route.post(
        `${scope}/providers/Microsoft.CostManagement/query`,
        'Microsoft.CostManagement/query/read',
        async (request) => await costs(plane, request),
      ),
    ),
    route.get(sheet, 'Strongroom.Billing/priceSheets/read', async () => {
      const list = await readPriceList(plane)
      if (list !== undefined) return ok(list)
      throw new ServiceError({
        code: 'PriceListNotFound',
        message: 'This installation has no price list: usage is counted but costs nothing.',
        remedy: 'Set one: `strongroom cost prices set FILE` (docs/guides/costs.md).',
      })
    }),
    route.put(sheet, 'Strongroom.Billing/priceSheets/write', async (request) => {
      const list = parsePriceList(request.body)
      await writeSetting(plane.resources.db, priceListSetting, JSON.stringify(list))
      return ok(list)
    }),
  ]
}

function monthToDate(plane: Plane): Period {
  const now = plane.usage.now()
  return { from: dayStart(`${dayOf(now).slice(0, 7)}-01`), to: dayStart(nextDay(dayOf(now))) }
}

/** `202611`, also `202611-1` and `20261101`, as Azure names periods. */
function billingPeriod(name: string): Period {
  const [, year, month] = /^(\d{4})(0[1-9]|1[0-2])(01)?(-1)?$/.exec(name) ?? []
  if (year !== undefined && month !== undefined) {
    return {
      from: new Date(Date.UTC(Number(year), Number(month) - 1, 1)),
      to: new Date(Date.UTC(Number(year), Number(month), 1)),
    }
  }
  throw new ServiceError({
    code: 'BillingPeriodNotFound',
    message: `There is no billing period '${name.slice(0, 20)}'.`,
    expected: 'a month, for example 202611',
    found: name.slice(0, 20),
    remedy: 'Name a month.',
  })
}

async function usageDetails(plane: Plane, request: ArmRequest, otherwise: Period): Promise<ArmReply> {
  const filter = readUsageFilter(request.query['$filter'] ?? '')
  const from = filter.from ?? otherwise.from
  // Clients specify days: the last named day is included.
  const to = filter.to === undefined ? otherwise.to : dayStart(nextDay(dayOf(filter.to)))
  const { lines, prices } = await readLines(plane, { from, to })
  const expand = (request.query['$expand'] ?? '').toLowerCase()
  const views = lines.map((line) =>
    usageDetail(line, { subscriptionId: plane.subscriptionId, currency: prices.currency, expand }),
  )
  // The dispatcher splits it into pages, like every list.
  return ok({ value: views })
}

async function costs(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const scope = request.path.slice(0, request.path.toLowerCase().lastIndexOf('/providers/microsoft.costmanagement'))
  if (scope.split('/').length > 3) await plane.resources.requireGroup(scope)
  const query = readCostQuery(new Fields(request.body), plane.usage.now())
  const { lines, prices } = await readLines(plane, query)
  const within = lines.filter((line) => `${line.resourceId.toLowerCase()}/`.startsWith(`${scope.toLowerCase()}/`))
  const id = plane.newId()
  return ok({
    id: `${scope}/providers/Microsoft.CostManagement/query/${id}`,
    name: id,
    type: 'Microsoft.CostManagement/query',
    properties: { nextLink: null, ...costTable(within, query, prices.currency) },
  })
}
