import { request as requestBySocket } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import {
  attestationAudience,
  graphHost,
  hostAudience,
  identityAudience,
  loginHost,
  managedHsmAudience,
  sharedAttestationHost,
  vaultAudience,
  vaultHost,
  vaultManagementAudience,
} from '@strongroom/contract'
import { faultsOf } from '@strongroom/contract/shape'
import {
  attestationManagementWire,
  attestationWire,
  hostWire,
  identityWire,
  ownerSocketWire,
  routeOf,
  testSocketWire,
  vaultManagementWire,
  vaultWire,
  type Wire,
} from '@strongroom/contract/wires'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from './testing/running.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation({ testApi: true })
})
afterAll(async () => await installation.close())

const json = 'application/json'
const form = 'application/x-www-form-urlencoded'
/** Bodies that no route expects, with their types. */
const junk: [body: string | Buffer, type: string | undefined][] = [
  ...['', '{', 'null', '[]', '7', '"x"', '{}', '[[[]]]', '{"__proto__":1}', '{"a":'.repeat(2_000)].map(
    (text): [string, string] => [text, json],
  ),
  ...['properties', 'value', 'key', 'kty', 'vmId', 'resourceId', 'report', 'runtimeData', 'quote', 'data'].flatMap(
    (name) =>
      ['null', '[]', '7', '"\\u0000"', '{"a":{}}', '1e300'].map((value): [string, string] => [
        `{"${name}":${value}}`,
        json,
      ]),
  ),
  ['grant_type=client_credentials&scope=%', form],
  ['grant_type=refresh_token&refresh_token=x&client_id=x&scope=x', form],
  ['grant_type=device_code&client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&code=%00', form],
  ['=&&=%zz&grant_type', form],
  ['{}', form],
  ['{}', 'text/plain'],
  ['{}', `${json}; charset=none`],
  ['{}', '/'],
  ['{}', undefined],
  [Buffer.of(0xff, 0xfe, 0), json],
  [Buffer.alloc(9_000_000, 0x20), json],
]

interface Place {
  host: string
  audience: string
  /** A principal that may use it. */
  as?: 'controlPlane' | 'owner'
  routes: string[]
}

/** Those that need a body: the others would do what they are for. */
const routesOf = ({ operations }: Wire): string[] =>
  operations
    .filter(({ body, bodyIsOptional = false }) => body !== undefined && !bodyIsOptional)
    .map(({ method, path }) => `${method} ${path}`)
/** Without those that nothing has to be said for. */
const socketRoutesOf = (wire: Wire): string[] =>
  routesOf(wire).filter(
    (route) => faultsOf(wire.operations.find((each) => routeOf(each) === route)!.body!, {}).length > 0,
  )
const signingIn = ['token', 'devicecode'].flatMap((end) =>
  ['oauth2', 'oauth2/v2.0'].map((start) => `POST /organizations/${start}/${end}`),
)
const places: Place[] = [
  { host: new URL(hostWire.server).host, audience: hostAudience, as: 'controlPlane', routes: routesOf(hostWire) },
  {
    host: new URL(vaultManagementWire.server).host,
    audience: vaultManagementAudience,
    as: 'controlPlane',
    routes: routesOf(vaultManagementWire),
  },
  { host: vaultHost('platform'), audience: vaultAudience, routes: routesOf(vaultWire) },
  { host: 'any.managedhsm.strongroom.internal', audience: managedHsmAudience, routes: routesOf(vaultWire) },
  {
    host: new URL(attestationManagementWire.server).host,
    audience: attestationManagementWire.server,
    as: 'controlPlane',
    routes: routesOf(attestationManagementWire),
  },
  { host: sharedAttestationHost('weu'), audience: attestationAudience, as: 'owner', routes: routesOf(attestationWire) },
  { host: loginHost, audience: identityAudience, routes: [...routesOf(identityWire), ...signingIn] },
  {
    host: graphHost,
    audience: `https://${graphHost}`,
    as: 'owner',
    routes: ['POST /v1.0/applications', 'POST /v1.0/servicePrincipals', 'POST /v1.0/users', 'POST /v1.0/groups'],
  },
]

/** Its parameters are names of nothing. */
const filled = (path: string): string => path.replaceAll(/:[A-Za-z]+/g, '00000000-0000-4000-8000-000000000000')

async function send(o: {
  socket?: string
  host: string
  method: string
  path: string
  token?: string
  body: string | Buffer
  type: string | undefined
}): Promise<number> {
  const { port, ca } = { port: installation.running.context.installation.ports.tls, ca: installation.caPem }
  const headers = {
    host: o.host,
    ...(o.type !== undefined && { 'content-type': o.type }),
    ...(o.token !== undefined && { authorization: `Bearer ${o.token}` }),
  }
  return await new Promise((done, fail) => {
    const sent =
      o.socket === undefined
        ? request({ host: '127.0.0.1', port, servername: o.host, ca, method: o.method, path: o.path, headers })
        : requestBySocket({ socketPath: o.socket, method: o.method, path: o.path, headers })
    sent.once('response', (response) => {
      response.resume()
      done(response.statusCode ?? 0)
    })
    // A body that is too long is not read to its end.
    sent.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET' ? done(413) : fail(error),
    )
    sent.end(o.body)
  })
}

describe('junk', () => {
  it.each(
    places.flatMap((place) =>
      place.routes.map((route) => [place.host, route, place.audience, place.as ?? 'orchestrator'] as const),
    ),
  )(
    'is refused by %s at %s, and fails nothing',
    async (host, route, audience, as) => {
      const [method = '', path = ''] = route.split(' ')
      const token =
        as === 'owner'
          ? (await installation.owner.getToken(`${audience}/.default`)).token
          : await installation.running.context.tokens.token(as, audience)
      const queries = ['?api-version=7.4', '', '?api-version=%00&api-version=x', '?%zz=%']
      for (const [n, [body, type]] of junk.entries()) {
        const at = `${filled(path)}${queries[n % queries.length]}`
        const status = await send({ host, method, path: at, token, body, type })
        expect(status, `${at} with ${body.toString('latin1').slice(0, 60)} as ${String(type)}`).toBeLessThan(500)
      }
    },
    60_000,
  )

  it.each([
    ...socketRoutesOf(ownerSocketWire).map((route) => ['owner.sock', route] as const),
    ...socketRoutesOf(testSocketWire).map((route) => ['test.sock', route] as const),
  ])('is refused on %s at %s, and fails nothing', async (name, route) => {
    const socket = join(installation.running.context.stateDir, 'run', name)
    const [method = '', path = ''] = route.split(' ')
    for (const [body, type] of junk) {
      const status = await send({ socket, host: 'x', method, path, body, type })
      expect(status, `${body.toString('latin1').slice(0, 60)} as ${String(type)}`).toBeLessThan(500)
    }
  })
})
