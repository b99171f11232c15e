import { Fuel, type ServiceError } from '@strongroom/platform'
import { costOf, type Cost } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { queryFuel, runQuery } from './evaluate.ts'
import { functions } from './functions.ts'
import { parseQuery, type Step } from './kql.ts'
import { operators } from './operators.ts'
import type { Row } from './values.ts'

const table = (count: number): Row[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm${n}`,
    properties: { a: { b: 'x'.repeat(1_000) }, list: [1, 2, 3], text: 'one two three' },
    count: n,
  }))

/** Every operator, function and step, each with what it was given before as every argument. */
const spellings: Record<Step['kind'], string> = {
  where: 'where a == a',
  project: 'project a = tostring(a), b = a, id, properties',
  summarize: 'summarize a = count() by b = a, id, properties',
  count: 'count | project a = tostring(Count), id = 1, properties = 1',
  order: 'order by tostring(a) asc, tostring(properties) desc',
  take: 'take 1000000 | project a = tostring(a), id, properties',
}
const each = [
  ...Object.values(spellings),
  ...[...functions.keys()].flatMap((name) =>
    ['a', 'a, a', 'a == a, a, a'].map((args) => `project a = ${name}(${args}), id, properties`),
  ),
  ...[...operators.keys()].map((name) => `project b = a ${name} a, a = tostring(properties), id, properties`),
  ...['a in (a, a)', 'a in~ (a, id)', 'a and a', 'a or a'].map(
    (test) => `project b = ${test}, a = tostring(properties), id, properties`,
  ),
]
const starts = ['properties', 'tostring(properties)', 'properties.a.b']

const costOfQuery = async (query: string, rows: Row[]): Promise<Cost> =>
  await costOf(async () => {
    try {
      await runQuery(parseQuery(query), rows, queryFuel(rows.length))
    } catch (error) {
      expect((error as ServiceError).code, query).toBe('InvalidQuery')
    }
  })

describe('a query that repeats what it reads', () => {
  it.each(starts)(
    'costs a bounded part of the thread and of memory by each operator, over %s (attack W22)',
    async (start) => {
      for (const step of each) {
        // As long as a query may be.
        const times = Math.floor(16_000 / (step.length + 3))
        const query = `Resources | project a = ${start}, id, properties | ${Array.from({ length: times }, () => step).join(' | ')}`
        const cost = await costOfQuery(query, table(20))
        // Without limits: a minute and gigabytes. Machines differ, and the rest of the test run counts too.
        expect(cost.thread, step).toBeLessThan(500)
        expect(cost.heap, step).toBeLessThan(128 * 1024 * 1024)
      }
    },
    120_000,
  )

  it('gives other work its turns (attack W22)', async () => {
    // All that it may cost.
    const query = `Resources | where ${Array.from({ length: 90 }, () => "tolower(id) != ''").join(' and ')}`
    let turns = 0
    const counted = setInterval(() => turns++, 0)
    const { held } = await costOfQuery(query, table(5_000))
    clearInterval(counted)
    expect(turns).toBeGreaterThan(2)
    expect(held).toBeLessThan(250)
  })

  it('ends when its caller has gone (attack W22)', async () => {
    const gone = queryFuel(5_000, () => true)
    const query = parseQuery(`Resources | where ${Array.from({ length: 90 }, () => "tolower(id) != ''").join(' and ')}`)
    await expect(runQuery(query, table(5_000), gone)).rejects.toMatchObject({ code: 'ClientClosedRequest' })
  })

  it('is refused before what it asks for exists (attack W22)', async () => {
    let [taken, created] = [0, 0]
    class Counted extends Fuel {
      override take(units = 1): void {
        taken += units
        super.take(units)
      }
    }
    const fuel = new Counted({ most: 1_000, exhausted: () => new Error('spent') })
    const row: Row = { a: { b: 'x'.repeat(500_000) } }
    const original = JSON.stringify
    JSON.stringify = ((value: unknown) => {
      created += 1
      return original(value)
    }) as typeof JSON.stringify
    try {
      const run = runQuery(parseQuery('Resources | project b = tostring(a)'), [row], fuel)
      expect(
        await run.then(
          () => 'done',
          (error: Error) => error.message,
        ),
      ).toBe('spent')
    } finally {
      JSON.stringify = original
    }
    expect([taken > 1_000, created]).toEqual([true, 0])
  })
})

describe('queries that take the thread’s stack', () => {
  it.each([
    ['members', `properties${'.a'.repeat(8_000)} == 1`],
    ['or', Array.from({ length: 1_500 }, () => '1==1').join(' or ')],
    ['and', Array.from({ length: 1_500 }, () => '1==1').join(' and ')],
    ['calls', `${'not('.repeat(3_000)}true${')'.repeat(3_000)}`],
    ['signs', `${'-'.repeat(8_000)}1 == 1`],
    ['indexes', `properties${'[1]'.repeat(5_000)} == 1`],
  ])('are evaluated or refused: %s (attack W22)', async (_name, test) => {
    await costOfQuery(`Resources | where ${test}`, table(2))
  })
})
