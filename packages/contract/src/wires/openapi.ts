import type { JsonSchema } from '../shape/index.ts'
import { errorBody } from './elements/answers.ts'
import type { Wire, WireOperation } from './elements/wire.ts'

/** An OpenAPI 3.1 description. */
export interface OpenApi {
  openapi: '3.1.0'
  info: { title: string; description: string; version: string }
  servers: { url: string }[]
  security?: Record<string, string[]>[]
  paths: Record<string, Record<string, object>>
  components: { schemas: Record<string, JsonSchema>; securitySchemes?: Record<string, object> }
}

const text = { type: 'string' }
/** How a wire's callers authenticate, as far as OpenAPI can express it. */
const schemes: Readonly<Partial<Record<Wire['security'], [name: string, scheme: object]>>> = {
  bearer: ['bearer', { type: 'http', scheme: 'bearer' }],
  certificate: ['certificate', { type: 'mutualTLS' }],
}

/** The OpenAPI 3.1 description of a wire. @throws TypeError if two shapes share a name */
export function openApiOf(wire: Wire): OpenApi {
  const schemas: Record<string, JsonSchema> = {}
  byName(errorBody.schema, schemas)
  const paths: OpenApi['paths'] = {}
  for (const operation of wire.operations) {
    const path = (paths[templateOf(operation.path)] ??= {})
    path[operation.method.toLowerCase()] = operationOf(operation, schemas)
  }
  const [name, scheme] = schemes[wire.security] ?? []
  return {
    openapi: '3.1.0',
    info: { title: wire.title, description: wire.about, version: wire.version },
    servers: [{ url: wire.server }],
    ...(name !== undefined && { security: [{ [name]: [] }] }),
    paths,
    components: { schemas, ...(name !== undefined && { securitySchemes: { [name]: scheme! } }) },
  }
}

/** OpenAPI writes {name} where the server's router has :name. */
const templateOf = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}').replaceAll('*', '{path}')

const parametersOf = ({ path, query = {} }: WireOperation): object[] => [
  ...[...path.matchAll(/:(\w+)|\*/g)].map(([, name = 'path']) => ({ name, in: 'path', required: true, schema: text })),
  ...Object.entries(query).map(([name, { schema, required = false }]) => ({ name, in: 'query', required, schema })),
]

function operationOf(operation: WireOperation, schemas: Record<string, JsonSchema>): object {
  const { summary, body, answer, status, errors = [] } = operation
  const parameters = parametersOf(operation)
  const type = operation.answerType ?? (answer === undefined ? undefined : 'application/json')
  const content =
    type === undefined
      ? {}
      : { content: { [type]: { schema: answer === undefined ? text : byName(answer.schema, schemas) } } }
  const statuses = status === 'made' ? [200, 201] : [status]
  const error = { 'application/json': { schema: { $ref: '#/components/schemas/ErrorBody' } } }
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        required: operation.bodyIsOptional !== true,
        content: { 'application/json': { schema: byName(body.schema, schemas) } },
      },
    }),
    responses: {
      ...Object.fromEntries(statuses.map((each) => [each, { description: summary, ...content }])),
      default: { description: ['An error (docs/reference/errors.md)', ...errors].join(', '), content: error },
    },
  }
}

/** The schema with each titled part listed once and referenced by name. */
function byName(schema: JsonSchema, schemas: Record<string, JsonSchema>): JsonSchema {
  const { title, ...rest } = schema
  const inner = Object.fromEntries(
    Object.entries(rest).map(([keyword, value]) => [keyword, within(keyword, value, schemas)]),
  )
  if (typeof title !== 'string') return inner
  const known = schemas[title]
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(inner))
    throw new TypeError(`two shapes have the name ${title}`)
  schemas[title] = inner
  return { $ref: `#/components/schemas/${title}` }
}

/** Keywords that contain schemas: one, several, or several by name. */
function within(keyword: string, value: unknown, schemas: Record<string, JsonSchema>): unknown {
  const one = (each: unknown): unknown =>
    typeof each === 'object' && each !== null ? byName(each as JsonSchema, schemas) : each
  if (keyword === 'items' || keyword === 'additionalProperties') return one(value)
  if (keyword === 'anyOf') return (value as unknown[]).map(one)
  if (keyword === 'properties')
    return Object.fromEntries(Object.entries(value as object).map(([name, each]) => [name, one(each)]))
  return value
}
