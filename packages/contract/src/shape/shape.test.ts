import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  anyText,
  chosen,
  count,
  exactly,
  faultsOf,
  flag,
  has,
  integer,
  kinds,
  list,
  map,
  named,
  nothing,
  number,
  object,
  oneOf,
  optional,
  text,
  upTo,
  whole,
  type Shape,
  type TypeOf,
} from './index.ts'

const lamp = named(
  'Lamp',
  object({
    name: text(/^[a-z]+$/, 'a name in lower case'),
    mode: oneOf('on', 'off'),
    bulbs: list(object({ watts: integer(1, 100) }), { least: 1, most: 2 }),
    note: optional(upTo(5)),
    tags: optional(map(anyText, { most: 2 })),
  }),
)
const good = { name: 'hall', mode: 'on', bulbs: [{ watts: 5 }] }
const told = (shape: Shape<unknown>, value: unknown): string[] =>
  faultsOf(shape, value).map(({ code, target, expected, found }) => `${code} ${target}: ${expected}, ${found}`)

describe('a shape', () => {
  it('has the TypeScript type that its statement says', () => {
    expectTypeOf<TypeOf<typeof lamp>>().toEqualTypeOf<{
      name: string
      mode: 'on' | 'off'
      bulbs: { watts: number }[]
      note?: string
      tags?: Record<string, string>
    }>()
    const source = kinds('from', { disk: { id: anyText }, empty: { size: count, zero: optional(flag) } })
    expectTypeOf<TypeOf<typeof source>>().toEqualTypeOf<
      { from: 'disk'; id: string } | { from: 'empty'; size: number; zero?: boolean }
    >()
    const stateless = object({ key: optional(nothing('none')), tee: exactly('TDX') })
    expectTypeOf<TypeOf<typeof stateless>>().toEqualTypeOf<{ key?: never; tee: 'TDX' }>()
    const value: unknown = good
    if (has(lamp, value)) expectTypeOf(value.mode).toEqualTypeOf<'on' | 'off'>()
  })

  it('takes what has it', () => {
    expect(told(lamp, good)).toEqual([])
    expect(told(lamp, { ...good, note: '🛋🛋🛋🛋🛋', tags: { room: 'hall' } })).toEqual([])
  })

  it('names every member of another form, then every one that it does not have', () => {
    const wrong = { name: 'HALL', colour: 'red', bulbs: [{ watts: 0 }, { watts: 1.5, hot: true }], note: 'too long' }
    expect(told(lamp, wrong)).toEqual([
      'InvalidField name: a name in lower case, a text of 4 characters',
      'InvalidField mode: on or off, nothing',
      'InvalidField bulbs[0].watts: a whole number from 1 to 100, 0',
      'InvalidField bulbs[1].watts: a whole number from 1 to 100, 1.5',
      'InvalidField note: a text of at most 5 characters, a text of 8 characters',
      'UnknownField bulbs[1].hot: no member of this name, true',
      'UnknownField colour: no member of this name, a text of 3 characters',
    ])
    expect(told(lamp, { ...good, bulbs: [] })).toEqual(['InvalidField bulbs: a list of 1 to 2, a list of 0'])
    expect(told(lamp, { ...good, bulbs: {} })).toEqual(['InvalidField bulbs: a list of 1 to 2, an object'])
    expect(told(lamp, { ...good, tags: { a: '', b: '', c: '' } })).toEqual([
      'InvalidField tags: an object of at most 2 members, an object',
    ])
    expect(told(lamp, { ...good, tags: { a: null } })).toEqual(['InvalidField tags.a: a text, null'])
  })

  it('names all that is to be sent where nothing is', () => {
    const all = ['InvalidField name', 'InvalidField mode', 'InvalidField bulbs']
    expect(told(lamp, undefined).map((line) => line.split(':')[0])).toEqual(all)
    expect(told(object({ lamp }), {}).map((line) => line.split(':')[0])).toEqual(
      all.map((line) => line.replace(' ', ' lamp.')),
    )
    // No member is required, but the object is.
    expect(told(object({ note: object({ text: optional(anyText) }) }), {})).toEqual([
      'InvalidField note: an object, nothing',
    ])
    for (const other of [null, [], 'text', 1])
      expect(told(lamp, other).map((line) => line.split(':')[0])).toEqual(['InvalidField body'])
  })

  it('keeps to own members: what a prototype has is not there, and what is named after one is unknown', () => {
    const inherits: unknown = Object.assign(Object.create({ mode: 'on' }) as object, {
      name: 'hall',
      bulbs: good.bulbs,
    })
    expect(told(lamp, inherits)).toEqual(['InvalidField mode: on or off, nothing'])
    const planted: unknown = JSON.parse(
      `{"__proto__": {"mode": "on"}, "constructor": 1, ${JSON.stringify(good).slice(1)}`,
    )
    expect(told(lamp, planted)).toEqual([
      'UnknownField __proto__: no member of this name, an object',
      'UnknownField constructor: no member of this name, 1',
    ])
    const source = kinds('from', { disk: { id: anyText } })
    expect(told(source, { from: 'constructor', id: 'a' })).toEqual(['InvalidField from: disk, a text of 11 characters'])
  })

  it('tells kinds apart by their tag', () => {
    const source = kinds('from', { disk: { id: anyText }, empty: { size: count } })
    expect(told(source, { from: 'empty', size: 1 })).toEqual([])
    expect(told(source, { from: 'empty', id: 'a' })).toEqual([
      `InvalidField size: a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, nothing`,
      'UnknownField id: no member of this name, a text of 1 characters',
    ])
    expect(told(object({ source }), {})).toEqual(['InvalidField source.from: disk or empty, nothing'])
    expect(told(object({ source }), { source: 'disk' })).toEqual([
      'InvalidField source: an object, a text of 4 characters',
    ])
  })

  it('says one sentence for the whole where it is told to', () => {
    const shape = object({ pair: whole(list(number, { least: 2, most: 2 }), 'two numbers') })
    expect(told(shape, { pair: [1, 'b'] })).toEqual(['InvalidField pair: two numbers, a list of 2'])
    expect(told(shape, { pair: [1, Number.NaN] })).toEqual(['InvalidField pair: two numbers, a list of 2'])
  })

  it('is a JSON Schema', () => {
    expect(lamp.schema).toEqual({
      title: 'Lamp',
      type: 'object',
      properties: {
        name: { type: 'string', pattern: '^[a-z]+$', description: 'a name in lower case' },
        mode: { type: 'string', enum: ['on', 'off'] },
        bulbs: {
          type: 'array',
          items: {
            type: 'object',
            properties: { watts: { type: 'integer', minimum: 1, maximum: 100 } },
            required: ['watts'],
            additionalProperties: false,
          },
          minItems: 1,
          maxItems: 2,
        },
        note: { type: 'string', maxLength: 5, description: 'a text of at most 5 characters' },
        tags: { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 2 },
      },
      required: ['name', 'mode', 'bulbs'],
      additionalProperties: false,
    })
  })

  it('chooses among shapes by what the value reports about itself', () => {
    const [a, b] = [object({ a: anyText }), object({ b: anyText })]
    const either = chosen([a, b], (value) => (has(object({ b: anyText }), value) ? b : a))
    expect(told(either, { b: 'x' })).toEqual([])
    expect(told(either, {})).toEqual(['InvalidField a: a text, nothing'])
  })
})
