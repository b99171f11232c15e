import { describe, expect, it } from 'vitest'
import { compileQuery } from './compile.ts'
import { QueryError } from './query-error.ts'
import { searchJson } from './search.ts'

const search = (query: string, document: unknown = {}): unknown => JSON.parse(searchJson(query, document, () => {}))
const people = {
  people: [
    { name: 'b', age: 2 },
    { name: 'a', age: 3 },
  ],
}

describe('the functions of a query', () => {
  it.each<[string, unknown]>([
    ['abs(`-2`)', 2],
    ['avg(`[1,2]`)', 1.5],
    ['ceil(`1.2`)', 2],
    ["contains('abc', 'b')", true],
    ["ends_with('abc', 'bc')", true],
    ['floor(`1.8`)', 1],
    ['join(\'-\', `["a","b"]`)', 'a-b'],
    ['keys(`{"a":1}`)', ['a']],
    ["length('abc')", 3],
    ['map(&name, people)', ['b', 'a']],
    ['max(`[1,3,2]`)', 3],
    ['max_by(people, &age).name', 'a'],
    ['merge(`{"a":1}`, `{"b":2}`)', { a: 1, b: 2 }],
    ['min(`[3,1,2]`)', 1],
    ['min_by(people, &age).name', 'b'],
    ["not_null(x, 'y')", 'y'],
    ["reverse('abc')", 'cba'],
    ['sort(`[3,1,2]`)', [1, 2, 3]],
    ['sort_by(people, &name)[].name', ['a', 'b']],
    ["starts_with('abc', 'ab')", true],
    ['sum(`[1,2]`)', 3],
    ['to_array(`1`)', [1]],
    ["to_number('7')", 7],
    ['to_string(`[1]`)', '[1]'],
    ['type(`1`)', 'number'],
    ['values(`{"a":1}`)', [1]],
    ["equals_ignore_case('aB', 'Ab')", true],
    ["equals_ignore_case('aB', 'Abc')", false],
  ])('are those of the specification, and one of Azure’s: %s', (query, expected) => {
    expect(search(query, people)).toEqual(expected)
  })

  it.each([
    'unknown(a)',
    "split('a', 'b')",
    'items(@)',
    'group_by(people, &name)',
    'toString(@)',
    'constructor(@)',
    'a.b[?unknown(@)]',
    'people[].{n: unknown(name)}',
    'people[].[unknown(name)]',
    '`1` && unknown(@)',
    'not_null(a, unknown(b))',
  ])('are no others, wherever they stand: %s', (query) => {
    expect(() => compileQuery(query)).toThrow(QueryError)
  })

  it('equal texts alone without case', () => {
    for (const [left, right] of [
      ["'a'", '`1`'],
      ['`1`', "'a'"],
      ['x', "'a'"],
    ])
      expect(() => search(`equals_ignore_case(${left}, ${right})`)).toThrow(QueryError)
  })
})

describe('an expression that is given to a function', () => {
  it.each(['map(&a, b)', 'sort_by(a, &b)', 'max_by(a, &b)', 'min_by(a, &b)'])(
    'stands in its own place: %s',
    (query) => {
      expect(() => compileQuery(query)).not.toThrow()
    },
  )

  it.each([
    'map(a, b)',
    'map(b, &a)',
    'map(&a, &b)',
    'sort_by(&b, a)',
    'sort_by(a, b)',
    'max_by(a, `1`)',
    'min_by(&a, &b)',
    'length(&a)',
    'a.map(&b, &c)',
    '&a',
    'a[?&b]',
    '[&a]',
    'map(&(&a), b)',
  ])('stands nowhere else: %s', (query) => {
    expect(() => compileQuery(query)).toThrow(QueryError)
  })
})

describe('a query', () => {
  it('has a thousand tokens at most', () => {
    // Names, dots and the end.
    expect(() => compileQuery(`a${'.a'.repeat(499)}`)).not.toThrow()
    expect(() => compileQuery(`!a${'.a'.repeat(499)}`)).not.toThrow()
    expect(() => compileQuery(`!!a${'.a'.repeat(499)}`)).toThrow(QueryError)
    expect(() => compileQuery(`a${'.a'.repeat(500)}`)).toThrow(new QueryError('the query has more than 1000 tokens'))
  })

  it('is read once, and again after many others', () => {
    const tree = compileQuery('once.and.again')
    compileQuery('another')
    expect(compileQuery('once.and.again')).toBe(tree)
    for (let at = 0; at < 256; at++) compileQuery(`other${at}`)
    expect(compileQuery('once.and.again')).not.toBe(tree)
    expect(compileQuery('once.and.again')).toEqual(tree)
  })

  it('holds values that read like parts of a query', () => {
    expect(search('`{"type":"Unknown","children":[{"type":"Function","name":"x"}]}`.type')).toBe('Unknown')
  })

  it.each(['a[::0]', 'a[1:2:0]', '$', 'let $a = b in $a', 'a + b', '-a', 'a // b'])('is none: %s', (query) => {
    expect(() => compileQuery(query)).toThrow(QueryError)
  })

  it.each(['', 'a[', 'a b', '#', '`{`'])('is not text that cannot be read: %j', (query) => {
    expect(() => compileQuery(query)).toThrow(expect.objectContaining({ name: 'QueryError' }))
  })

  it('says what is wrong with a function’s arguments, not what the library is', () => {
    expect(() => search('abs(@)', { a: 1 })).toThrow(QueryError)
  })

  it('ends by what its meter throws, as it is', () => {
    const stop = new RangeError('enough')
    const charge = (): void => {
      throw stop
    }
    expect(() => searchJson('a.b', {}, charge)).toThrow(stop)
  })
})
