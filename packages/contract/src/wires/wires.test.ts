import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { has, type JsonSchema, type Shape } from '../shape/index.ts'
import { openApiOf, wires, type Wire } from './index.ts'

interface Described {
  name: string
  shape: Shape<unknown>
  /** As in the served description. */
  schema: JsonSchema
}

/** Every shape of a wire once, with its schema. */
function shapesOf(wire: Wire): Described[] {
  const { paths, components } = openApiOf(wire)
  const all = wire.operations.flatMap(({ method, path, body, answer, status }) => {
    const template = path.replaceAll(/:(\w+)/g, '{$1}').replaceAll('*', '{path}')
    const described = paths[template]?.[method.toLowerCase()] as {
      requestBody?: { content: Record<string, { schema: object }> }
      responses: Record<string, { content?: Record<string, { schema: object }> }>
    }
    const schemaIn = (content: Record<string, { schema: object }> = {}): object => Object.values(content)[0]!.schema
    const of = (name: string, shape: Shape<unknown> | undefined, schema: () => object): Described[] =>
      shape === undefined ? [] : [{ name: `${method} ${path} ${name}`, shape, schema: { ...schema(), components } }]
    return [
      ...of('takes', body, () => schemaIn(described.requestBody?.content)),
      ...of('answers', answer, () => schemaIn(described.responses[status === 'made' ? 201 : status]?.content)),
    ]
  })
  return all.filter(({ shape }, index) => all.findIndex((each) => each.shape === shape) === index)
}

/** Values that a schema accepts. */
function valuesOf(schema: JsonSchema, components: JsonSchema): fc.Arbitrary<unknown> {
  const { $ref, anyOf, type, pattern, maxLength, enum: values } = schema
  const within = (value: unknown): fc.Arbitrary<unknown> => valuesOf(value as JsonSchema, components)
  if ($ref === '#/components/schemas/ErrorDetail')
    return fc.constant({ code: 'NotFound', message: 'No.', details: [{ code: 'NotFound', message: 'No.' }] })
  if (typeof $ref === 'string')
    return within((components['schemas'] as Record<string, unknown>)[$ref.split('/').at(-1)!])
  if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map(within))
  if ('const' in schema) return fc.constant(schema['const'])
  if (Array.isArray(type)) return fc.oneof(...type.map((each) => within({ ...schema, type: each as string })))
  if (type === 'null') return fc.constant(null)
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]))
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern))
  if (type === 'string') return textsOf(typeof maxLength === 'number' ? maxLength : undefined)
  if (type === 'integer') return integersOf(schema['minimum'] as number, schema['maximum'] as number)
  if (type === 'number') return fc.double({ min: Number(schema['minimum'] ?? -1e300), max: 1e300, noNaN: true })
  if (type === 'boolean') return fc.boolean()
  if (type === 'array')
    return itemsOf(within(schema['items']), Number(schema['minItems'] ?? 0), Number(schema['maxItems'] ?? 3))
  const { properties, required, additionalProperties } = schema
  if (typeof properties !== 'object' || properties === null)
    return fc.dictionary(
      fc.string(),
      typeof additionalProperties === 'object' ? within(additionalProperties) : fc.jsonValue(),
      { maxKeys: 3 },
    )
  // Members that are always absent are described with `not`.
  const members = Object.entries<JsonSchema>(properties as Record<string, JsonSchema>)
    .filter(([, each]) => !('not' in each))
    .map(([name, each]) => [name, within(each)] as const)
  return fc.record(Object.fromEntries(members), { requiredKeys: (required ?? []) as string[] })
}

const itemsOf = (item: fc.Arbitrary<unknown>, least: number, most: number): fc.Arbitrary<unknown[]> =>
  fc.array(item, { minLength: least, maxLength: Math.max(least, Math.min(most, 3)) })

/** The bounds too. */
const integersOf = (min: number, max: number): fc.Arbitrary<number> =>
  fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max: Math.min(max, min + 300) }))

/** Includes a maximum-length one, of characters with two UTF-16 code units. */
const textsOf = (most: number | undefined): fc.Arbitrary<string> =>
  most === undefined
    ? fc.string({ unit: 'binary' })
    : fc.oneof(
        { weight: 7, arbitrary: fc.string({ unit: 'binary', maxLength: Math.min(most, 20) }) },
        // Seldom: some are megabytes.
        { weight: 1, arbitrary: fc.constantFrom('a', '🔑').map((unit) => unit.repeat(most)) },
      )

interface Change {
  /** Index among all places in the value, counted from its root. */
  place: number
  kind: 'replace' | 'remove' | 'add' | 'above' | 'below'
  value: unknown
}
const changes: fc.Arbitrary<Change> = fc.record({
  place: fc.nat(60),
  kind: fc.constantFrom('replace', 'remove', 'add', 'above', 'below'),
  value: fc.oneof(fc.jsonValue(), fc.constantFrom(null, -1, 1.5, '', 'text\n', [], {})),
})

/** The value with a change in one place. */
function changed(value: unknown, { place, kind, value: other }: Change): unknown {
  const places: { holder: Record<string, unknown>; name: string }[] = []
  const root = { root: structuredClone(value) }
  const visit = (holder: Record<string, unknown>): void => {
    for (const name of Object.keys(holder)) {
      places.push({ holder, name })
      const inner = holder[name]
      if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>)
    }
  }
  visit(root)
  const { holder, name } = places[place % places.length]!
  const found = holder[name]
  if (kind === 'remove' && holder !== root && !Array.isArray(holder)) delete holder[name]
  else if (kind === 'add' && typeof found === 'object' && found !== null && !Array.isArray(found))
    Object.assign(found, { surplus: other })
  else if (kind === 'above' && typeof found === 'string') holder[name] = `${found}🔑`
  else if (kind === 'below' && typeof found === 'string') holder[name] = found.slice(1)
  else if (kind === 'above' && typeof found === 'number') holder[name] = found + 1
  else if (kind === 'below' && typeof found === 'number') holder[name] = found - 1
  else holder[name] = other
  return root.root
}

const shapes = wires.flatMap(shapesOf)
/** One for all: it compiles its own meta-schemas first. */
const ajv = new Ajv2020({ strict: false, logger: false })

describe('the description of a wire', () => {
  it.each(shapes)('accepts what the server does, and nothing else: $name', ({ shape, schema }) => {
    const accepts = ajv.compile(schema)
    const values = valuesOf(schema, schema['components'] as JsonSchema)
    const seen = { accepted: 0, refused: 0 }
    fc.assert(
      fc.property(values, fc.option(changes), (value, change) => {
        // As received over the wire.
        const given: unknown = JSON.parse(JSON.stringify(change === null ? value : changed(value, change)))
        const isAccepted = has(shape, given)
        if (change === null) expect(isAccepted, JSON.stringify(given)).toBe(true)
        seen[isAccepted ? 'accepted' : 'refused']++
        expect(isAccepted, JSON.stringify(given)).toBe(accepts(given))
      }),
      { numRuns: 80 },
    )
    // A comparison of one kind only would prove nothing.
    expect(seen.accepted).toBeGreaterThan(0)
    expect(seen.refused).toBeGreaterThan(0)
  })

  it.each(wires)('$name has an operation for each path and method once, and a line for each', ({ operations }) => {
    const routes = operations.map(({ method, path }) => `${method} ${path}`)
    expect(new Set(routes).size).toBe(routes.length)
    for (const { summary } of operations) expect(summary).toMatch(/^[A-Z][^\n.]{3,140}$/)
  })

  it('refuses two shapes of one name', () => {
    const [wire] = wires as [Wire, ...Wire[]]
    const body = { ...wire.operations.find(({ body: given }) => given)!.body! }
    const twice = { ...body, schema: { ...body.schema, title: 'InstanceSize' } }
    const operations = [...wire.operations, { ...wire.operations[0]!, path: '/planted', body: twice }]
    expect(() => openApiOf({ ...wire, operations })).toThrow('two shapes have the name InstanceSize')
  })
})
