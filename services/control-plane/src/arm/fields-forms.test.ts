import type { SettledCode } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { Fields, refuse, withoutNulls, type Problem, type SettledProblem } from './fields.ts'

/** What a reader makes of a value, and the problems it reports. */
const read = <T>(value: unknown, how: (fields: Fields) => T): [T, unknown[]] => {
  const fields = new Fields({ Name: value })
  return [how(fields), fields.problems.map(({ target, expected, found }) => [target, expected, found])]
}
const wrong = (expected: string, found: string): unknown[] => [['name', expected, found]]

describe('a member of a request', () => {
  it('is text', () => {
    for (const text of ['a', '']) expect(read(text, (f) => f.text('name'))).toEqual([text, []])
    for (const value of [null, undefined]) expect(read(value, (f) => f.text('NAME'))).toEqual([undefined, []])
    for (const [value, found] of [
      [1, 'number'],
      [['a'], 'a list'],
      [{}, 'object'],
      [false, 'boolean'],
    ] as const)
      expect(read(value, (f) => f.text('name'))).toEqual([undefined, wrong('text', found)])
  })

  it('is true or false, also as text in any case', () => {
    for (const [value, flag] of [
      [true, true],
      [false, false],
      ['TRUE', true],
      ['False', false],
    ] as const)
      expect(read(value, (f) => f.flag('name'))).toEqual([flag, []])
    for (const value of ['yes', '', 'true ', 1, 0, [true]])
      expect(read(value, (f) => f.flag('name'))[1]).toEqual(
        wrong('true or false', Array.isArray(value) ? 'a list' : typeof value),
      )
    expect(read(undefined, (f) => f.flag('name'))).toEqual([undefined, []])
  })

  it('is a whole number between bounds, also as its digits', () => {
    const between = (f: Fields): number | undefined => f.integer('name', 7, 90)
    for (const [value, number] of [
      [7, 7],
      [90, 90],
      ['7', 7],
      ['090', 90],
    ] as const)
      expect(read(value, between)).toEqual([number, []])
    for (const value of [6, 91, 7.5, '6', '91', '7.5', '', ' 8', '8 ', '+8', '1'.repeat(16), true, [8]])
      expect([value, read(value, between)[1]]).toEqual([
        value,
        wrong('a whole number from 7 to 90', Array.isArray(value) ? 'a list' : typeof value),
      ])
    const any = (f: Fields): number | undefined => f.integer('name')
    expect([read(0, any)[0], read(Number.MAX_SAFE_INTEGER, any)[0], read('9'.repeat(15), any)[0]]).toEqual([
      0,
      Number.MAX_SAFE_INTEGER,
      999_999_999_999_999,
    ])
    expect(read(-1, any)[1]).toEqual(wrong(`a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`, 'number'))
    expect(read(undefined, any)).toEqual([undefined, []])
  })

  it('is one of some values, in any case', () => {
    const one = (f: Fields): string | undefined => f.oneOf('name', ['Alpha', 'Beta'])
    expect([read('ALPHA', one), read('beta', one), read(undefined, one)]).toEqual([
      ['Alpha', []],
      ['Beta', []],
      [undefined, []],
    ])
    expect(read('gamma', one)).toEqual([undefined, wrong('Alpha, Beta', 'gamma')])
    expect(read('g'.repeat(100), one)[1]).toEqual(wrong('Alpha, Beta', 'g'.repeat(80)))
    const fields = new Fields({ a: { name: 'gamma' } })
    fields.object('a').oneOf('name', ['Alpha'])
    expect(refuse(fields.problems)).toMatchObject({ code: 'BadRequest', status: 400, target: 'a.name' })
    expect(fields.problems[0]!.message).toContain(`"gamma" to type 'System.Nullable\`1[name]'. Path 'a.name'`)
  })

  it('is a list, of texts or of objects', () => {
    expect(read(['a', 'b'], (f) => f.texts('name', 9))).toEqual([['a', 'b'], []])
    expect(read(['a', 1, null], (f) => f.texts('name', 9))).toEqual([['a'], wrong('a list of strings', 'number')])
    expect(read('a', (f) => f.texts('name', 9))).toEqual([[], wrong('a list', 'string')])
    expect(read(undefined, (f) => f.texts('name', 9))).toEqual([[], []])
    const [items, problems] = read([{ a: 'x' }, 'y'], (f) =>
      f.list('name', 9).map((each) => [each.path, each.text('a')]),
    )
    expect([items, problems]).toEqual([
      [
        ['name[0]', 'x'],
        ['name[1]', undefined],
      ],
      [['name[1]', 'an object', 'string']],
    ])
    expect(read({ 0: 'a' }, (f) => f.list('name', 9))).toEqual([[], wrong('a list', 'object')])
  })

  it('is a list or a map of as many entries as its reader names', () => {
    const texts = (f: Fields): string[] => f.texts('name', 2)
    expect(read(['a', 'b'], texts)).toEqual([['a', 'b'], []])
    expect(read(['a', 'b', 'c'], texts)).toEqual([[], [['name', 'a list of at most 2 entries', '3 entries']]])
    const members = (f: Fields): unknown => f.members('name', 2)
    expect(read({ a: null, B: {} }, members)).toEqual([
      [
        ['a', null],
        ['B', {}],
      ],
      [],
    ])
    expect(read({ a: 1, b: 1, c: 1 }, members)).toEqual([[], [['name', 'a map of at most 2 members', '3 members']]])
    expect(read(undefined, members)).toEqual([undefined, []])
    expect(read(['a'], members)).toEqual([[], [['name', 'an object', 'a list']]])
  })

  it('is a map of texts whose names keep their case', () => {
    const map = (f: Fields): Record<string, string> | undefined => f.textMap('name')
    expect(read({ A: 'a', b: null, C: '' }, map)).toEqual([{ A: 'a', b: '', C: '' }, []])
    expect([read({}, map), read(undefined, map)]).toEqual([
      [{}, []],
      [undefined, []],
    ])
    for (const value of [{ a: 1 }, { a: 'b', c: {} }, ['a'], 'a'])
      expect(read(value, map)).toEqual([
        undefined,
        wrong('a map of strings', Array.isArray(value) ? 'a list' : typeof value),
      ])
  })

  it('is there where it is not null', () => {
    const fields = new Fields({ A: 0, b: null, C: '', d: undefined, e: false })
    expect(['a', 'B', 'c', 'd', 'e', 'f'].map((name) => fields.has(name))).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ])
    expect([fields.raw('a'), fields.raw('b'), fields.raw('E')]).toEqual([0, undefined, false])
    expect(fields.names).toEqual(['a', 'c', 'd', 'e'])
    expect([fields.at('x'), fields.object('o').at('x'), fields.object('o').present, fields.present]).toEqual([
      'x',
      'o.x',
      false,
      true,
    ])
  })
})

describe('a request that is not an object', () => {
  it.each([
    ['text', 'string'],
    [7, 'number'],
    [['a'], 'a list'],
    [true, 'boolean'],
  ])('has one problem, and no members: %j', (body, found) => {
    const fields = new Fields(body)
    expect([fields.present, fields.names, fields.text('length'), fields.raw('0')]).toEqual([
      true,
      [],
      undefined,
      undefined,
    ])
    expect(fields.problems).toEqual([
      {
        code: 'InvalidRequestContent',
        message: expect.stringContaining("'request body' must be an object"),
        target: 'request body',
        expected: 'an object',
        found,
        remedy: 'Send an object.',
      },
    ])
  })

  it('has none where it is nothing', () => {
    for (const body of [undefined, null]) {
      const fields = new Fields(body)
      expect([fields.present, fields.problems, fields.path]).toEqual([false, [], ''])
    }
  })
})

describe('a refusal', () => {
  const problem = (code: SettledCode, more: Partial<Omit<SettledProblem, 'code'>> = {}): Problem => ({
    code,
    message: code,
    ...more,
  })
  const detailsOf = (problems: Problem[]): unknown =>
    refuse(problems).details?.map(({ code, target }) => [code, target])

  it('is the first problem, with all of them and each rule once', () => {
    expect(refuse([problem('Conflict', { target: 't' }), problem('InvalidTags')])).toMatchObject({
      code: 'Conflict',
      target: 't',
    })
    expect(detailsOf([problem('Conflict')])).toBeUndefined()
    expect(detailsOf([problem('Conflict', { rule: 'S1' })])).toEqual([['FaqRule', 'S1']])
    const many = [
      problem('Conflict', { rule: 'S2' }),
      problem('InvalidTags', { target: 'b' }),
      problem('InvalidLock', { rule: 'S2' }),
      problem('BadRequest', { rule: 'S1' }),
    ]
    expect(detailsOf(many)).toEqual([
      ['Conflict', undefined],
      ['InvalidTags', 'b'],
      ['InvalidLock', undefined],
      ['BadRequest', undefined],
      ['FaqRule', 'S2'],
      ['FaqRule', 'S1'],
    ])
    expect(() => refuse([])).toThrow(TypeError)
  })

  it('comes where there is a problem, and only there', () => {
    const fields = new Fields({})
    expect(() => fields.assertSound()).not.toThrow()
    fields.problem(problem('Conflict'))
    expect(() => fields.assertSound()).toThrow(
      expect.objectContaining({ code: 'Conflict', status: 409 }) as ServiceError,
    )
  })
})

describe('what clients leave open', () => {
  it('is left out at any depth, and nothing else', () => {
    expect(withoutNulls({ a: null, b: [null, 0, '', false, { c: null, d: [null] }], e: {} })).toEqual({
      b: [0, '', false, { d: [] }],
      e: {},
    })
    expect([withoutNulls(null), withoutNulls('a'), withoutNulls([null])]).toEqual([null, 'a', []])
  })
})
