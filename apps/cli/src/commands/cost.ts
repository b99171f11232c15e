import { readFile } from 'node:fs/promises'
import type { PriceList } from '@strongroom/contract'
import { ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'

const version = '2023-05-01'
const period = [
  { flags: '--from <day>', summary: 'first day (UTC); by default the first of this month' },
  { flags: '--to <day>', summary: 'last day; by default today' },
]

interface CostReply {
  properties: { columns: { name: string }[]; rows: (string | number)[][] }
}

/** Values of `--by`, with Cost Management's names. */
const dimensions: Record<string, string> = {
  vm: 'VirtualMachineId',
  group: 'ResourceGroupName',
  meter: 'Meter',
  size: 'SkuName',
  region: 'ResourceLocation',
  resource: 'ResourceId',
}

function days(context: CommandContext): { from?: string; to?: string } {
  const [from, to] = [textOption(context, 'from'), textOption(context, 'to')]
  for (const day of [from, to]) {
    if (day !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(day))
      throw usage(`'${day}' is not a day.`, 'for example 2026-11-01', day)
  }
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
}

const usage = (message: string, expected: string, found: string): CliError =>
  new CliError({ code: 'InvalidArgument', message, expected, found, exitCode: exitCodes.usage })

function grouping(by: string): object[] {
  if (by === 'day') return []
  if (by.startsWith('tag:') && by.length > 4) return [{ type: 'TagKey', name: by.slice(4) }]
  const name = dimensions[by]
  if (name === undefined)
    throw usage(`Cost cannot be grouped by '${by}'.`, `${Object.keys(dimensions).join(', ')}, day or tag:NAME`, by)
  return [{ type: 'Dimension', name }]
}

const show: Command = {
  words: ['cost', 'show'],
  summary: 'show usage and cost by VM, group, tag, meter, size, region, resource or day',
  options: [
    { flags: '--by <what>', summary: 'vm, group, tag:NAME, meter, size, region, resource or day', default: 'vm' },
    ...period,
  ],
  examples: ['strongroom cost show', 'strongroom cost show --by tag:team --from 2026-11-01 --to 2026-11-30'],
  run: async (context) => {
    const by = textOption(context, 'by') ?? 'vm'
    const group = grouping(by)
    const { from, to } = days(context)
    const arm = new ArmClient(await context.connect())
    const today = new Date().toISOString().slice(0, 10)
    const custom = { from: from ?? `${(to ?? today).slice(0, 7)}-01`, to: to ?? today }
    const body = {
      type: 'ActualCost',
      ...(from === undefined && to === undefined
        ? { timeframe: 'MonthToDate' }
        : { timeframe: 'Custom', timePeriod: custom }),
      dataset: {
        granularity: by === 'day' ? 'Daily' : 'None',
        aggregation: {
          totalCost: { name: 'Cost', function: 'Sum' },
          hours: { name: 'UsageQuantity', function: 'Sum' },
        },
        grouping: group,
      },
    }
    const path = `${arm.subscription}/providers/Microsoft.CostManagement/query`
    const reply = (await arm.send('POST', path, version, body)).json as CostReply
    const rows = reply.properties.rows.map((row) => ({
      what: shown(by, row.slice(2, -1)),
      cost: Number(row[0]),
      hours: Number(row[1]),
      currency: String(row.at(-1)),
    }))
    rows.sort((a, b) => b.cost - a.cost || a.what.localeCompare(b.what))
    return {
      data: rows,
      table: {
        columns: [by, 'Hours and GiB-hours', 'Cost', 'Currency'],
        rows: rows.map((row) => [short(row.what), row.hours.toFixed(3), row.cost.toFixed(4), row.currency]),
      },
    }
  },
}

/** An id's name and group, so that a table fits a terminal; programs get the whole id. */
function short(what: string): string {
  const [, , , , group, , , , ...names] = what.split('/')
  const told = what.startsWith('/') && names.length > 0 ? `${names.at(-1)} (${group})` : what
  return told.length > 50 ? `${told.slice(0, 49)}…` : told
}

function shown(by: string, cells: (string | number)[]): string {
  const last = String(cells.at(-1) ?? '')
  if (by === 'day') return last.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')
  return last === '' ? '(none)' : last
}

const sheet = (arm: ArmClient): string => `${arm.subscription}/providers/Strongroom.Billing/priceSheet`
const priceTable = (list: PriceList): { columns: string[]; rows: string[][] } => ({
  columns: ['Meter', 'SKU', 'Region', 'Price', 'Unit', 'From'],
  rows: list.items.map((item) => [
    item.meter,
    item.armSkuName ?? 'every',
    item.armRegionName ?? 'every',
    `${item.unitPrice} ${list.currency}`,
    item.unitOfMeasure,
    item.effectiveStartDate ?? 'always',
  ]),
})

const setPrices: Command = {
  words: ['cost', 'prices', 'set'],
  args: ['<file>'],
  summary: "set the operator's price list, a JSON file (docs/guides/costs.md), replacing the previous one",
  examples: ['strongroom cost prices set prices.json'],
  run: async (context) => {
    const file = context.args[0]!
    let list: unknown
    try {
      list = JSON.parse(await readFile(file, 'utf8'))
    } catch (cause) {
      throw new CliError({
        code: 'FileNotRead',
        message: `${file} cannot be read as JSON.`,
        found: cause instanceof Error ? cause.message : 'an error',
        remedy: 'Pass a price list; docs/guides/costs.md has an example.',
        cause,
      })
    }
    const arm = new ArmClient(await context.connect())
    const taken = (await arm.send('PUT', sheet(arm), version, list)).json as PriceList
    return { data: taken, lines: [`${taken.items.length} prices in ${taken.currency} are in force.`] }
  },
}

const showPrices: Command = {
  words: ['cost', 'prices', 'show'],
  summary: 'show the current price list',
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const list = await arm.get<PriceList>(sheet(arm), version)
    return { data: list, table: priceTable(list) }
  },
}

export const costCommands: Command[] = [show, setPrices, showPrices]
