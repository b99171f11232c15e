import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { searchJson } from './search.ts'
import { QueryError } from './query-error.ts'

const search = (query: string, document: unknown): unknown => JSON.parse(searchJson(query, document, () => {}))

const people = {
  people: [
    { name: 'b', age: 30, tags: ['x', 'y'] },
    { name: 'a', age: 50, tags: ['z'] },
    { name: 'c', age: 40 },
  ],
  map: { one: { v: 1 }, two: { v: 2 } },
  nested: [[0, 1], 2, [3, [4]]],
}

describe('a query', () => {
  it.each([
    ['people[0].name', 'b'],
    ['people[-1].name', 'c'],
    ['people[*].name', ['b', 'a', 'c']],
    ['people[*].tags', [['x', 'y'], ['z']]],
    ['people[].tags[]', ['x', 'y', 'z']],
    ['people[?age > `35`].name', ['a', 'c']],
    ["people[?name == 'a' && age >= `50`] | [0].tags[0]", 'z'],
    ['people[?!tags].name', ['c']],
    ['people[:2].age', [30, 50]],
    ['people[::-1].age', [40, 50, 30]],
    ['people[1:].name | [0]', 'a'],
    ['map.*.v', [1, 2]],
    ['*.one.v', [1]],
    ['nested[]', [0, 1, 2, 3, [4]]],
    ['nested[][]', [0, 1, 2, 3, 4]],
    ['absent', null],
    ['absent.more[0]', null],
    ['absent || map.one.v', 1],
    ['people[0].[name, age]', ['b', 30]],
    ['people[0].{n: name, "a b": age}', { n: 'b', 'a b': 30 }],
    ['people[*].{n: name}[0]', { n: 'b' }],
    ["people[?equals_ignore_case(name, 'B')].age | [0]", 30],
    ['absent | {n: name}', null],
    ['absent | [name]', null],
    ['map[]', null],
    ['absent[]', null],
    ['people[0].name[]', null],
    ['people[0].name[0:1]', null],
    ['map[0:1]', null],
    ['people.length', null],
    ['people[0].name.length', null],
    ['people."0"', null],
    ['absent.more', null],
    ['people[2].age.more', null],
    ['`false` | @.{n: name}', { n: null }],
    ['length(people)', 3],
    ['sort_by(people, &age)[*].name', ['b', 'c', 'a']],
    ['max_by(people, &age).name', 'a'],
    ['min(people[*].age)', 30],
    ['sum(people[*].age)', 120],
    ['avg(people[*].age)', 40],
    ["contains(people[0].tags, 'y')", true],
    ["join(',', people[*].name)", 'b,a,c'],
    ['map(&age, people)', [30, 50, 40]],
    ['keys(map)', ['one', 'two']],
    ['to_number(`"12"`)', 12],
    ['to_string(map.one)', '{"v":1}'],
    ['type(@)', 'object'],
    ["not_null(absent, 'x')", 'x'],
    ["starts_with('abc', 'ab')", true],
    ['reverse(people[*].age)', [40, 50, 30]],
    ['merge(map.one, `{"w":3}`)', { v: 1, w: 3 }],
    ['(people)[0].age', 30],
    ['people[*].tags | [0] | [1]', 'y'],
    ['people[0] == people[0]', true],
    ["'it''s'", undefined],
    ['"people"[0]."name"', 'b'],
  ])('%s', (query, expected) => {
    if (expected === undefined) expect(() => search(query, people)).toThrow(QueryError)
    else expect(search(query, people)).toEqual(expected)
  })

  it.each([
    '',
    'a.',
    'a[',
    'a[0',
    '[?a',
    'a b',
    'nothing(a)',
    'length()',
    'abs(`"x"`)',
    '`{`',
    '#',
    'a[::0]',
    '&',
    'sort(people)',
    'to_string(&a)',
    'map(people, people)',
    'sort_by(people, @)',
    'let $a = `1` in $a',
    '`1` + `2`',
    '$',
    "pad_left('a', `100000000`)",
    "replace('a', 'a', 'b')",
  ])('refuses %s', (query) => {
    expect(() => search(query, people)).toThrow(QueryError)
  })

  it('reads nothing but own members', () => {
    expect(search('constructor', {})).toBe(null)
    expect(search('__proto__', {})).toBe(null)
    expect(() => search('hasOwnProperty(@)', {})).toThrow(QueryError)
  })

  it('refuses nesting beyond a limit instead of exhausting the stack', () => {
    expect(() => search('('.repeat(4000), {})).toThrow('1000 tokens')
    expect(() => search('!'.repeat(4000), {})).toThrow(QueryError)
    expect(() => search('*'.repeat(4000), {})).toThrow(QueryError)
    expect(() => search(`a${'.*'.repeat(2000)}`, {})).not.toThrow(RangeError)
  })

  it('ends in JSON or a refusal, whatever it is given', () => {
    const part = fc.constantFrom(
      'a',
      '.',
      '[',
      ']',
      '*',
      '[]',
      '[?',
      '|',
      '||',
      '&&',
      '!',
      '@',
      '(',
      ')',
      '`1`',
      "'x'",
      '0',
      ':',
      ',',
      '{',
      '}',
      '==',
      '<',
      '&',
      'length',
      'sort_by',
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.jsonValue({ maxDepth: 4 }), (parts, document) => {
        try {
          search(parts.join(''), document)
        } catch (error) {
          if (!(error instanceof QueryError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('takes no evidence for an expression', () => {
    const evil = { expref: true, type: 'Field', name: 'secret' }
    expect(() => search('map(evil, list)', { evil, list: [{ secret: 1 }] })).toThrow(QueryError)
    expect(search('to_string(evil)', { evil })).toBe(JSON.stringify(evil))
  })

  it('makes no text beyond a limit', () => {
    const long = 'x'.repeat(100_000)
    const list = Array.from({ length: 20 }, () => '')
    expect(() => search('join(long, list)', { long, list })).toThrow(QueryError)
    const many = Array.from({ length: 100_000 }, () => 1)
    for (const query of ['contains(long, list)', 'contains(many, list)'])
      expect(() => search(query, { long, list, many })).not.toThrow()
    expect(search('a', null)).toBe(null)
  })

  it('refuses JSON that is nested too deep for the stack', () => {
    const deep: unknown = JSON.parse('['.repeat(5_000) + ']'.repeat(5_000))
    expect(() => search('@', deep)).toThrow('deep')
    expect(() => search('@ == `1`', deep)).toThrow('deep')
    expect(() => search('to_array(@)[0] | type(@)', deep)).toThrow('deep')
  })

  it('charges before it goes through a small value that stands for a huge one', () => {
    const huge = Array.from({ length: 60 }, () => '[@,@]').join('|')
    for (const query of [
      `(${huge}) == (${huge})`,
      `type(to_string(${huge}))`,
      `length(sort_by([\`1\`], &(to_string(${huge}))))`,
    ]) {
      let left = 10_000
      const charge = (cost: number): void => {
        if ((left -= cost) < 0) throw new QueryError('budget')
      }
      expect(() => searchJson(query, 1, charge), query.slice(0, 20)).toThrow('budget')
    }
  })

  it('charges for work, so that a budget ends it', () => {
    let left = 10_000
    const charge = (cost: number): void => {
      if ((left -= cost) < 0) throw new QueryError('budget')
    }
    const query = Array.from({ length: 60 }, () => '[@,@]').join('|')
    expect(() => searchJson(query, 1, charge)).toThrow('budget')
  })
})
