import {
  anyText,
  count,
  exactly,
  flag,
  integer,
  list,
  named,
  number,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import type { Wire } from '../elements/wire.ts'
import { nothingSaid } from './owner-socket-wire.ts'

const faultKind = oneOf(
  'attestation-down',
  'key-disabled',
  'quota-zero',
  'boot-failure',
  'slow-operation',
  'throttling',
)
/** Faults that a test can inject (docs/proof/testing.md). */
export type FaultKind = TypeOf<typeof faultKind>

const members = {
  kind: faultKind,
  /** Only subjects containing this text, in any case: a VM's id, a key's URL, a quota's name, a request's path. */
  target: optional(upTo(500)),
  /** For boot-failure: the failing step. */
  step: optional(upTo(500)),
  /** For slow-operation: the added time. For throttling: the retry delay. */
  milliseconds: optional(integer(1, 600_000)),
}
export const faultRequest = named('FaultRequest', object({ ...members, once: optional(flag) }))

const fault = named(
  'Fault',
  object({
    id: anyText,
    ...members,
    /** Removed once applied; otherwise it stays until cleared. */
    once: flag,
  }),
)
export type Fault = TypeOf<typeof fault>

/** One of the three. */
export const clockRequest = named(
  'ClockRequest',
  object({
    set: optional(text(/^\d{4}-\d{2}-\d{2}T/, 'a time, for example 2027-01-01T00:00:00Z')),
    /** Seconds. */
    advance: optional(number),
    reset: optional(flag),
  }),
)
export type ClockRequest = TypeOf<typeof clockRequest>

/** Absent: every fault. */
export const clearRequest = named('ClearRequest', object({ id: optional(anyText) }))

const base64url = (expected: string): Shape<string> => text(/^[\w-]+$/, expected)

export const platformEvidenceRequest = named(
  'PlatformEvidenceRequest',
  /** JSON that the processor's report binds. */
  object({ runtimeData: base64url('base64url of JSON') }),
)
export const guestEvidenceRequest = named(
  'GuestEvidenceRequest',
  object({
    /** Of the RSA key that the token is to name for encryption: 2048 bits, exponent 65537. */
    modulus: text(/^[\w-]{342}$/, 'base64url of 256 bytes'),
  }),
)

const testStatus = named(
  'TestStatus',
  object({ clock: object({ now: anyText, aheadSeconds: number }), faults: list(fault) }),
)
export type TestStatus = TypeOf<typeof testStatus>

/** What tests of a cloud need and a real cloud refuses (docs/proof/testing.md). */
export const testSocketWire: Wire = {
  name: 'test-socket',
  version: '1',
  title: 'Test API',
  about:
    'STATE/run/test.sock beside the owner’s socket, if the server was started with --test-api: HTTP, POST, JSON (docs/proof/testing.md).',
  server: 'http://test',
  security: 'socket',
  operations: [
    {
      method: 'POST',
      path: '/status',
      summary: 'Clock and faults',
      body: nothingSaid,
      bodyIsOptional: true,
      status: 200,
      answer: testStatus,
    },
    {
      method: 'POST',
      path: '/clock',
      summary: 'Moves the clock of all services, or resets it',
      body: clockRequest,
      status: 200,
      answer: testStatus,
      errors: ['InvalidClock'],
    },
    {
      method: 'POST',
      path: '/faults',
      summary: 'Injects a fault',
      body: faultRequest,
      status: 200,
      answer: fault,
      errors: ['InvalidFault'],
    },
    {
      method: 'POST',
      path: '/faults/clear',
      summary: 'Clears one fault, or all',
      body: clearRequest,
      bodyIsOptional: true,
      status: 200,
      answer: testStatus,
      errors: ['InvalidFault', 'FaultNotFound'],
    },
    {
      method: 'POST',
      path: '/evidence/platform',
      summary: 'Makes a body of /attest/SevSnpVm by the simulated processor',
      body: platformEvidenceRequest,
      status: 200,
      answer: object({ report: anyText, runtimeData: object({ data: anyText, dataType: exactly('JSON') }) }),
      errors: ['InvalidRequestContent'],
    },
    {
      method: 'POST',
      path: '/evidence/guest',
      summary: 'Makes a body of /attest/AzureGuest for a VM that exists nowhere else',
      body: guestEvidenceRequest,
      status: 200,
      answer: object({ AttestationInfo: anyText }),
      errors: ['InvalidRequestContent'],
    },
    {
      method: 'POST',
      path: '/reset',
      summary: 'Deletes all resources and clears the faults',
      body: nothingSaid,
      bodyIsOptional: true,
      status: 200,
      answer: object({ resources: count, milliseconds: count }),
    },
  ],
}
