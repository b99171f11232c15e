import { arm, list, subscriptionPath, versions } from '../wire/arm.ts'

/** One row of a cost query: sums by day and group. */
export interface CostRow {
  cost: number
  hours: number
  /** `2026-11-27`; empty if the query is not by day. */
  day: string
  keys: string[]
}

export interface Costs {
  rows: CostRow[]
  /** ISO 4217; undefined if the installation has no prices. */
  currency: string | undefined
}

interface Table {
  properties: { columns: { name: string }[]; rows: (string | number)[][] }
}

/** ISO 4217's code for no currency: there is no price list. */
const noCurrency = 'XXX'

/** Cost and hours of this month, by Cost Management's query. @param by dimensions, as Azure names them. @throws WireError */
export async function readCosts(o: { by: string[]; daily: boolean; signal?: AbortSignal }): Promise<Costs> {
  const sum = (name: string): object => ({ name, function: 'Sum' })
  const body = {
    type: 'ActualCost',
    timeframe: 'MonthToDate',
    dataset: {
      granularity: o.daily ? 'Daily' : 'None',
      aggregation: { cost: sum('Cost'), hours: sum('UsageQuantity') },
      grouping: o.by.map((name) => ({ type: 'Dimension', name })),
    },
  }
  const path = `${await subscriptionPath()}/providers/Microsoft.CostManagement/query`
  const answer = await arm<Table>({
    method: 'POST',
    path,
    version: versions.cost,
    body,
    ...(o.signal !== undefined && { signal: o.signal }),
  })
  const { columns, rows } = answer.body.properties
  const at = (name: string): number => columns.findIndex((column) => column.name === name)
  const [cost, hours, date, currency] = ['Cost', 'UsageQuantity', 'UsageDate', 'Currency'].map(at) as [
    number,
    number,
    number,
    number,
  ]
  const keys = o.by.map(at)
  const code = rows[0]?.[currency]
  return {
    rows: rows.map((row) => ({
      cost: Number(row[cost]),
      hours: Number(row[hours]),
      day: date === -1 ? '' : String(row[date]).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3'),
      keys: keys.map((key) => String(row[key] ?? '')),
    })),
    currency: code === undefined || code === noCurrency ? undefined : String(code),
  }
}

/** A sum in its currency; hours without prices. */
export function money(value: number, currency: string | undefined): string {
  if (currency === undefined) return value.toFixed(2)
  return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(value)
}

export interface QuotaRequest {
  name: string
  properties: {
    provisioningState: string
    message?: string
    requestSubmitTime: string
    value: { name: { value: string }; limit: { value: number } }[]
  }
}

/** Requests for more quota in a region, with their status. */
export async function readQuotaRequests(region: string, signal?: AbortSignal): Promise<QuotaRequest[]> {
  const path =
    `${await subscriptionPath()}/providers/Microsoft.Compute/locations/${encodeURIComponent(region)}/providers/` +
    'Microsoft.Quota/quotaRequests'
  return await list<QuotaRequest>(path, versions.quota, signal)
}
