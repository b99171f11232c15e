import { describe, expect, it } from 'vitest'
import { vouch } from './known.ts'
import { judge, LinkNotChecked, LinkRefused, need, refuseUnless, short } from './link.ts'

/** An error as evidence's verifiers throw it. */
const failing = (facts: object) => (): never => {
  throw Object.assign(new Error('why'), facts)
}

describe('a link that failed', () => {
  it('has the code, expectation and finding of its error, as text', async () => {
    expect(await judge('id', 'title', failing({ code: 'Code', expected: 'x', found: 'y' }))).toEqual({
      id: 'id',
      title: 'title',
      outcome: 'refused',
      shows: [],
      stated: [],
      restsOn: [],
      code: 'Code',
      why: 'why',
      expected: 'x',
      actual: 'y',
    })
    expect(await judge('id', 'title', failing({ expected: { a: 1 }, actual: 2, found: 'y' }))).toMatchObject({
      expected: '{"a":1}',
      actual: '2',
    })
  })

  it('has no other member than its error has', async () => {
    const plain = { id: 'id', title: 'title', outcome: 'refused', shows: [], stated: [], restsOn: [] }
    expect(Object.keys(await judge('id', 'title', failing({ code: 7 })))).toEqual([...Object.keys(plain), 'why'])
    const thrown = await judge('id', 'title', () => {
      throw 'text' as unknown as Error
    })
    expect(thrown).toEqual({ ...plain, why: 'text' })
  })

  it('is not checked, and shows nothing, where its input is missing', async () => {
    const link = await judge('id', 'title', (proof) => {
      proof.proves`${vouch('a', 'silicon')}`
      need(undefined, 'silicon')
    })
    expect(link).toEqual({
      id: 'id',
      title: 'title',
      outcome: 'not checked',
      shows: [],
      stated: [],
      restsOn: [],
      why: "It depends on 'silicon', which does not hold.",
    })
    expect(need(0, 'silicon')).toBe(0)
  })

  it('has an error with a name, and with its cause', () => {
    const cause = new Error('cause')
    const refused = new LinkRefused({ code: 'Code', message: 'why', expected: 'x', actual: 'y', cause })
    expect(refused).toMatchObject({ name: 'LinkRefused', message: 'why', code: 'Code', expected: 'x', actual: 'y' })
    expect(refused.cause).toBe(cause)
    expect(new LinkNotChecked('why')).toMatchObject({ name: 'LinkNotChecked', message: 'why' })
    const facts = { message: 'why', expected: 'x', actual: 'y' }
    expect(() => refuseUnless(false, facts)).toThrow(expect.objectContaining({ name: 'LinkRefused', ...facts }))
    expect(() => refuseUnless(true, facts)).not.toThrow()
  })
})

it('shortens hexadecimal of more than 20 characters', () => {
  expect([short('a'.repeat(20)), short('a'.repeat(21))]).toEqual(['a'.repeat(20), `${'a'.repeat(16)}…`])
})
