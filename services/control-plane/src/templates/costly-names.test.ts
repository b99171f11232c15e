import { describe, expect, it } from 'vitest'
import { templateEnvironment as environment } from '../testing/template-environment.ts'
import { evaluate } from './evaluate.ts'
import { parseExpression } from './expression.ts'
import { openSection } from './parameters.ts'
import { templateFuel } from './template-fuel.ts'
import type { Obj, Value } from './values.ts'

const many = (value: (name: string) => Value): Obj =>
  Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`N${n}`, value(`N${n}`)]))

/** Looks a name up for each of 9,000 numbers. */
async function lookUp(template: Obj, name: string): Promise<Value> {
  const fuel = templateFuel()
  const { scope } = await openSection({ template, given: {}, environment, fuel })
  return await evaluate(parseExpression(`[length(map(range(0, 9000), lambda('x', ${name})))]`), scope)
}

describe('a template with many names', () => {
  const tooMany = { message: expect.stringContaining('takes more than 250000 steps') as string }

  it.each([
    ['variables', { variables: many(() => 1) }],
    ['parameters', { parameters: many(() => ({ type: 'int', defaultValue: 1 })) }],
  ])('pays for each comparison where a name stands in another case: %s (attack W22)', async (kind, template) => {
    expect(await lookUp(template, `${kind}('N999')`)).toBe(9_000)
    await expect(lookUp(template, `${kind}('n999')`)).rejects.toMatchObject(tooMany)
  })

  it('has no more loops among its variables than it may have variables (attack W22)', async () => {
    const copy = Array.from({ length: 1_025 }, (_, n) => ({ name: `N${n}`, count: 1, input: 1 }))
    await expect(lookUp({ variables: { copy } }, "variables('N1')")).rejects.toMatchObject({
      message: expect.stringContaining('The template has too many variables') as string,
      expected: 'at most 1024',
      found: '1025',
    })
    expect(await lookUp({ variables: { copy: copy.slice(1) } }, "variables('n1024')")).toBe(9_000)
  })
})
