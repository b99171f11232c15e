import type { ErrorCode } from '../../errors/catalogue.ts'
import type { JsonSchema, Shape } from '../../shape/index.ts'

type WireMethod = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'

/** One operation of a wire of ours. */
export interface WireOperation {
  method: WireMethod
  /** In the server's form: `/instances/:vmId`. */
  path: string
  /** One line. */
  summary: string
  body?: Shape<unknown>
  bodyIsOptional?: boolean
  query?: Readonly<Record<string, { schema: JsonSchema; required?: boolean }>>
  /** Success status; several if a PUT reports whether it created something. */
  status: 200 | 201 | 202 | 204 | 'made'
  answer?: Shape<unknown>
  /** If the answer is not JSON. */
  answerType?: string
  /** Codes that callers must expect besides those of every service. */
  errors?: readonly ErrorCode[]
}

export interface Wire {
  /** Of its description in docs/reference/wires. */
  name: string
  /** Increased with a change that callers must follow. */
  version: string
  title: string
  about: string
  /** Where it is served. */
  server: string
  /** How a caller authenticates. */
  security: 'bearer' | 'certificate' | 'socket' | 'none'
  /** Which paths of a server belong to this wire, if the rest is Azure's. Default: all. */
  owns?: RegExp
  operations: readonly WireOperation[]
}

/** A route's identity: `GET /instances/:vmId`. */
export const routeOf = ({ method, path }: Pick<WireOperation, 'method' | 'path'>): string => `${method} ${path}`

/** Where a server describes its wire, for anyone. */
export const descriptionPath = '/openapi.json'
