import { costOf, spread, type Cost } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { templateEnvironment as environment } from '../testing/template-environment.ts'
import { evaluate, lambdaFunctions, type Scope } from './evaluate.ts'
import { parseExpression } from './expression.ts'
import { pureFunctions } from './functions.ts'
import { TemplateError } from './template-error.ts'
import { templateFuel } from './template-fuel.ts'
import type { Value } from './values.ts'

/** As large as a value of a template may be. */
const large: Record<string, () => Value> = {
  text: () => 'a,'.repeat(750_000),
  word: () => 'a',
  nothing: () => '',
  number: () => 1_000_000,
  numbers: () => Array.from({ length: 130_000 }, (_, n) => n % 10),
  texts: () => Array.from({ length: 100 }, () => ','),
  lists: () => Array.from({ length: 1_000 }, () => Array.from({ length: 100 }, (_, n) => n)),
  object: () => Object.fromEntries(Array.from({ length: 23_000 }, (_, n) => [`n${n}`, { A: n }])),
  format: () => '{0,1000}'.repeat(1_000),
  json: () => JSON.stringify(Array.from({ length: 500_000 }, () => ({}))),
}

const scopeOf = (values: Record<string, Value>): Scope => ({
  environment,
  fuel: templateFuel(),
  loops: [],
  locals: new Map(),
  functions: new Map(),
  parameter: async (name) => values[name],
  variable: async (name) => values[name],
})

/** Runs one expression, and fails in no other way than a template does. */
const costOfCall = async (text: string, scope: Scope): Promise<Cost> =>
  await costOf(async () => {
    await evaluate(parseExpression(`[${text}]`), scope).catch((error: unknown) =>
      expect(error, text).toBeInstanceOf(TemplateError),
    )
  })

const names = Object.keys(large)
const argumentLists = names.flatMap((a) => [
  [a],
  ...['word', 'nothing', 'number', 'texts', a].flatMap((b) => [
    [a, b],
    [a, b, 'text'],
  ]),
  Array.from({ length: 100 }, () => a),
])

/** Of the thread, in milliseconds, and of the heap, in bytes: some 60 ms and 50 MB here. Without limits: minutes and gigabytes. */
const most = { held: 400, heap: 192 * 1024 * 1024, thread: 5_000 }

describe('a function of templates that is given as much as a template may hold', () => {
  const values = Object.fromEntries(Object.entries(large).map(([name, make]) => [name, make()]))
  const given = (name: string): string => `parameters('${name}')`
  const bodies = [
    `concat(lambdaVariables('x'), ${given('text')})`,
    `union(${given('object')}, ${given('object')})`,
    "concat(createArray(lambdaVariables('x')), createArray(lambdaVariables('x')))",
  ]

  it.each([...pureFunctions.keys()])(
    'holds the thread and takes memory for a moment alone: %s (attack W22)',
    async (name) => {
      for (const names of spread(argumentLists, 4)) {
        const cost = await costOfCall(`${name}(${names.map(given).join(', ')})`, scopeOf(values))
        expect(cost.held, names.join()).toBeLessThan(most.held)
        expect(cost.heap, names.join()).toBeLessThan(most.heap)
      }
    },
    60_000,
  )

  it.each([...lambdaFunctions])(
    'ends, whatever it is repeated over: %s (attack W22)',
    async (name) => {
      const lambdas = bodies.flatMap((body) => {
        const lambda = `lambda('x', ${body})`
        return [`${lambda}`, `${lambda}, ${lambda}`, `createArray(1), ${lambda}`]
      })
      for (const call of spread(
        names.flatMap((each) => lambdas.map((rest) => `${name}(${given(each)}, ${rest})`)),
        5,
      )) {
        const cost = await costOfCall(call, scopeOf(values))
        expect(cost.held, call).toBeLessThan(most.held)
        expect(cost.heap, call).toBeLessThan(most.heap)
        expect(cost.thread, call).toBeLessThan(most.thread)
      }
    },
    60_000,
  )

  it('has no chain of members that takes the thread’s stack (attack W22)', async () => {
    const long = `${given('object')}${'.a'.repeat(10_000)}`
    expect(() => parseExpression(`[${long}]`)).toThrow('at most 64 levels')
  })

  it('ends when its caller has gone (attack W22)', async () => {
    const scope = { ...scopeOf(values), fuel: templateFuel(() => true) }
    const many = "map(range(0, 9000), lambda('y', 1))"
    await expect(evaluate(parseExpression(`[${many}]`), scope)).rejects.toMatchObject({ code: 'ClientClosedRequest' })
  })
})
