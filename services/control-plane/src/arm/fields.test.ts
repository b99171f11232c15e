import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fields, withoutNulls } from './fields.ts'

describe('request fields', () => {
  it('are read in any case, with null as absent and booleans also as text', () => {
    const fields = new Fields({ Name: 'a', Flag: 'True', off: false, none: null, count: '12', Kind: 'FROMIMAGE' })
    expect(fields.text('name')).toBe('a')
    expect([fields.flag('flag'), fields.flag('off'), fields.flag('none')]).toEqual([true, false, undefined])
    expect(fields.integer('count')).toBe(12)
    expect(fields.oneOf('kind', ['FromImage', 'Empty'])).toBe('FromImage')
    expect(fields.problems).toEqual([])
  })

  it('name every wrong form with its path', () => {
    const fields = new Fields({ a: { b: 1, c: [{ d: 'x' }], e: 'y' } })
    fields.object('a').text('b')
    fields.object('a').list('c', 9)[0]?.integer('d')
    fields.object('a').list('e', 9)
    expect(fields.problems.map((problem) => problem.target)).toEqual(['a.b', 'a.c[0].d', 'a.e'])
    expect(() => fields.assertSound()).toThrow(/'a\.b' must be text/)
  })

  it('never throw while they are read, whatever the body', () => {
    fc.assert(
      fc.property(fc.anything(), (body) => {
        const fields = new Fields(body)
        for (const name of ['a', 'toString', '__proto__']) {
          fields.text(name)
          fields.flag(name)
          fields.integer(name)
          fields.textMap(name)
          fields.list(name, 9)
          fields.object(name).texts(name, 9)
        }
      }),
    )
  })

  it('lose their nulls at any depth', () => {
    expect(withoutNulls({ a: null, b: [null, { c: null, d: 1 }] })).toEqual({ b: [{ d: 1 }] })
  })
})
