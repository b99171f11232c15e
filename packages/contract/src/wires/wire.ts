import type { ErrorCode } from '../errors/catalogue.ts'
import type { JsonSchema, Shape } from '../shape/index.ts'

type WireMethod = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'

/** One operation of a wire of ours. */
export interface WireOperation {
  method: WireMethod
  /** As the server has it: `/instances/:vmId`. */
  path: string
  /** One line. */
  summary: string
  body?: Shape<unknown>
  bodyIsOptional?: boolean
  query?: Readonly<Record<string, { schema: JsonSchema; required?: boolean }>>
  /** Of the answer where all is well; several where a PUT says whether it made what it was given. */
  status: 200 | 201 | 202 | 204 | 'made'
  answer?: Shape<unknown>
  /** Where the answer is not JSON. */
  answerType?: string
  /** Codes that callers have to expect beside those of every service. */
  errors?: readonly ErrorCode[]
}

export interface Wire {
  /** Of its description in docs/reference. */
  name: string
  /** Raised with a change that a caller has to follow. */
  version: string
  title: string
  about: string
  /** Where it is served. */
  server: string
  /** How a caller shows who it is. */
  security: 'bearer' | 'certificate' | 'socket' | 'none'
  /** What of a server is this wire's, where the rest of it is Azure's. Absent: all of it. */
  owns?: RegExp
  operations: readonly WireOperation[]
}

/** What a route is known by: `GET /instances/:vmId`. */
export const routeOf = ({ method, path }: Pick<WireOperation, 'method' | 'path'>): string => `${method} ${path}`

/** Where a server describes its wire. Anyone may read it. */
export const descriptionPath = '/openapi.json'
