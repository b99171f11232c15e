import {
  anyText,
  count,
  flag,
  list,
  map,
  named,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type TypeOf,
} from '../../shape/index.ts'
import type { Wire } from '../elements/wire.ts'

/** The body of an operation without input. */
export const nothingSaid = object({})
export const ownerTokenRequest = named(
  'OwnerTokenRequest',
  object({ audience: text(/^[^\0]{1,512}$/, 'an audience, for example https://management.azure.com/') }),
)
export const deviceQuestion = named('DeviceQuestion', object({ user_code: upTo(100) }))
export const deviceDecision = named(
  'DeviceDecision',
  object({
    user_code: upTo(100),
    approve: flag,
    /** To approve: as /device-sign-in showed them. */
    client_id: optional(upTo(100)),
    audiences: optional(list(upTo(1_024), { most: 100 })),
  }),
)
const deviceSignIn = named(
  'DeviceSignIn',
  object({
    client_id: anyText,
    /** Of a known client with this id; any program can use the id. */
    client_name: optional(anyText),
    scope: anyText,
    /** What the client gets tokens for, in the owner's name. */
    audiences: list(anyText),
    /** The address that the request came from. */
    asked_from: optional(anyText),
    expires_at: anyText,
  }),
)
export type DeviceSignInView = TypeOf<typeof deviceSignIn>
export const publicNamesRequest = named('PublicNamesRequest', object({ action: oneOf('open', 'show', 'close') }))

const publicNamesState = named(
  'PublicNamesState',
  object({
    open: flag,
    /** The proxy's, on 127.0.0.1. */
    port: optional(count),
    /** When the authority expires, and the proxy with it. */
    until: optional(anyText),
    /** File with the certificates that a shell's clients trust: the authority for public names, and the installation's. */
    trusted: optional(anyText),
    names: list(anyText),
    /** Forwarded names: number of requests for each. */
    passedOn: map(count),
    /** Refused names of Azure's, and unauthorised callers: number of refusals for each. */
    refused: map(count),
  }),
)
export type PublicNamesState = TypeOf<typeof publicNamesState>

/** What the owner may do without a secret. */
export const ownerSocketWire: Wire = {
  name: 'owner-socket',
  version: '1',
  title: 'Owner’s socket',
  about:
    'STATE/run/owner.sock, a Unix socket in a directory that only the owner can enter: HTTP, POST, JSON. Whoever can open it is the owner.',
  server: 'http://owner',
  security: 'socket',
  operations: [
    {
      method: 'POST',
      path: '/token',
      summary: 'A token of the owner for an audience',
      body: ownerTokenRequest,
      status: 200,
      answer: object({ access_token: anyText, expires_in: count }),
    },
    {
      method: 'POST',
      path: '/login-certificate',
      summary: 'A new key with a certificate that signs in as the owner',
      body: nothingSaid,
      status: 200,
      answer: object({ client_id: anyText, tenant_id: anyText, pem: anyText }),
    },
    {
      method: 'POST',
      path: '/device-sign-in',
      summary: 'What a sign-in by device code asks for',
      body: deviceQuestion,
      status: 200,
      answer: deviceSignIn,
      errors: ['DeviceCodeNotFound'],
    },
    {
      method: 'POST',
      path: '/device',
      summary: 'Approves or denies a sign-in by device code',
      body: deviceDecision,
      status: 200,
      answer: deviceSignIn,
      errors: ['DeviceCodeNotFound', 'DeviceSignInNotShown'],
    },
    {
      method: 'POST',
      path: '/sign-in-code',
      summary: 'Signs in one browser, once',
      body: nothingSaid,
      status: 200,
      answer: object({ code: anyText, expires_in: count }),
    },
    {
      method: 'POST',
      path: '/public-names',
      summary: 'Answers Azure’s own names here, for shells that opt in',
      body: publicNamesRequest,
      status: 200,
      answer: publicNamesState,
    },
    {
      method: 'POST',
      path: '/restart',
      summary: 'Starts another server in place of this one, on the same ports',
      body: nothingSaid,
      status: 200,
      answer: object({ pid: count }),
      errors: ['RestartNotOffered'],
    },
  ],
}
