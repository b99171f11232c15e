import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { managementAudience } from '@strongroom/contract'
import { descriptionPath, managerWire, openApiOf } from '@strongroom/contract/wires'
import { createLogger, ServiceError, type TokenVerifier } from '@strongroom/platform'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Loose } from '../testing/ids.ts'
import { callerOf } from '../testing/rights-plane.ts'
import { createArmApp } from './app.ts'
import type { Dispatcher } from './dispatcher.ts'
import { faqRules } from './faq-rule.ts'
import type { ArmReply, ArmRequest } from './request.ts'
import type { Route } from './router.ts'

const caller = callerOf('0f2a9f3e-0000-4000-8000-0000000a11ce')
let asked: ArmRequest[] = []
let audiences: string[][] = []
let reply: ArmReply = { status: 200 }
beforeEach(() => {
  asked = []
  audiences = []
  reply = { status: 200 }
})
const verifier: TokenVerifier = {
  verify: async (token, wanted) => {
    audiences.push(wanted)
    if (token !== 'good') throw new ServiceError({ code: 'InvalidAuthenticationToken', message: 'x' })
    return await Promise.resolve(caller)
  },
}
const dispatcher = {
  answer: async (request: ArmRequest) => {
    asked.push(request)
    return await Promise.resolve(reply)
  },
} as unknown as Dispatcher
/** From the described namespaces: an app without them does not start. */
const routes: Route[] = managerWire.operations.map(({ method, path }) => ({
  method,
  path: path.replaceAll(/:(\w+)/g, '{$1}'),
  action: 'none',
  handle: async () => await Promise.resolve({ status: 200 }),
}))
const logger = createLogger({ level: 'silent' })
const app = createArmApp({ logger, verifier, tenantId: 'tenant', dispatcher, routes: () => routes })
// Not in the first test: others would not see routes that it alone reached.
beforeAll(async () => await app.ready())
afterAll(async () => await app.close())
interface Injected {
  statusCode: number
  headers: Record<string, unknown>
  body: string
  json(): Loose
}
const send = async (
  method: string,
  url: string,
  o: { text?: string; headers?: Record<string, string> } = {},
): Promise<Injected> =>
  (await app.inject({
    method: method as 'GET',
    url,
    headers: {
      authorization: 'Bearer good',
      ...(o.text !== undefined && { 'content-type': 'application/json' }),
      ...o.headers,
    },
    ...(o.text !== undefined && { payload: o.text }),
  })) as unknown as Injected

/** Status of a request whose path is sent unchanged, which no client library does. */
const raw = async (path: string): Promise<number> => {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return await new Promise((resolve, reject) => {
    const sent = httpRequest(
      { port, host: '127.0.0.1', path, headers: { authorization: 'Bearer good' }, agent: false },
      (found) => {
        found.resume()
        resolve(found.statusCode!)
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

describe('a request over the wire', () => {
  it('reaches the dispatcher with path, query, body and caller', async () => {
    const text = '{"a":1}'
    await send('PUT', '/subscriptions/S/a%20b/?API-version=1&b=x?&B=y&$Top=2', { text, headers: { host: 'here:8443' } })
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({
      method: 'PUT',
      path: '/subscriptions/S/a b',
      origin: 'https://here:8443',
      params: {},
      query: { 'api-version': '1', b: 'x?', $top: '2' },
      body: { a: 1 },
      caller,
    })
    expect(asked[0]!.headers['content-type']).toBe('application/json')
    for (const method of ['GET', 'HEAD', 'PATCH', 'POST', 'DELETE']) {
      await send(method, '/x')
      expect(asked.at(-1)).toMatchObject({ method, path: '/x' })
      expect(asked.at(-1)!.query).toEqual({})
    }
    await send('GET', '/')
    expect(asked.at(-1)!.path).toBe('/')
  })

  it('has the caller’s own correlation id where it can be kept', async () => {
    const idOf = async (given?: string): Promise<string> => {
      await send('GET', '/x', given === undefined ? {} : { headers: { 'x-ms-correlation-request-id': given } })
      return asked.at(-1)!.correlationId
    }
    for (const good of ['a', 'A-z-09', 'x'.repeat(64)]) expect(await idOf(good)).toBe(good)
    for (const bad of [undefined, '', 'a b', 'x'.repeat(65), 'ä', 'a_b'])
      expect(await idOf(bad)).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('is answered with status, headers and body', async () => {
    reply = { status: 202, headers: { 'retry-after': '1', location: '/y' }, body: { b: 2 } }
    const found = await send('POST', '/x')
    expect([found.statusCode, found.headers['retry-after'], found.headers['location'], found.json()]).toEqual([
      202,
      '1',
      '/y',
      { b: 2 },
    ])
    reply = { status: 204 }
    expect(await send('DELETE', '/x')).toMatchObject({ statusCode: 204, body: '' })
  })

  it('takes a token for the resource manager, in any of its names, and is refused without', async () => {
    await send('GET', '/x')
    expect(audiences).toEqual([
      [
        'https://management.azure.com',
        'https://management.azure.com/',
        'https://management.core.windows.net',
        'https://management.core.windows.net/',
      ],
    ])
    for (const authorization of ['Bearer bad', 'Basic good', '']) {
      const found = await send('GET', '/x', { headers: { authorization } })
      expect([found.statusCode, found.headers['www-authenticate']]).toEqual([
        401,
        expect.stringMatching(/^Bearer authorization_uri="https:\/\/login\.[^"]*\/tenant", error="invalid_token"/),
      ])
    }
    expect(asked).toHaveLength(1)
  })

  it('means the path that was authorised: an encoded slash or dot segment is refused', async () => {
    for (const path of ['/a%2fb', '/a%5Cb', '/%2e%2e/a', '/a/%2e', '/a/..', '/a%0a/%2e%2e', '/%zz', '/%ff', '/%e0%a4'])
      expect([path, await raw(path)]).toEqual([path, 400])
    expect(asked).toEqual([])
    for (const [sent, meant] of [
      ['/a%2Eb', '/a.b'],
      ['/...', '/...'],
      ['/.a/b..', '/.a/b..'],
    ] as const) {
      await send('GET', sent)
      expect(asked.at(-1)!.path).toBe(meant)
    }
  })

  it('may have comments in a template, and nowhere else', async () => {
    const text = '{/* why */"a":1}'
    const deployment = '/subscriptions/s/providers/Microsoft.Resources/deployments/d'
    for (const path of [deployment, deployment.replace('/deployments', '//Deployments')]) {
      expect((await send('PUT', path, { text })).statusCode).toBe(200)
      expect(asked.at(-1)!.body).toEqual({ a: 1 })
    }
    for (const path of ['/subscriptions/s/providers/Microsoft.Resources/deployment/d', '/x']) {
      const found = await send('PUT', path, { text })
      expect([found.statusCode, found.json().error.code]).toEqual([400, 'InvalidRequestContent'])
    }
    expect((await send('PUT', '/x', { text: '' })).statusCode).toBe(200)
    expect(asked.at(-1)!.body).toBeUndefined()
  })

  it('is at most as long as a template may be', async () => {
    const of = async (length: number): Promise<number> =>
      (await send('PUT', '/x', { text: `{"a":"${'x'.repeat(length - 8)}"}` })).statusCode
    expect([await of(4 * 1024 * 1024), await of(4 * 1024 * 1024 + 1)]).toEqual([200, 413])
  })
})

describe('what is read before anybody signs in', () => {
  const open = async (url: string): Promise<Injected> => await send('GET', url, { headers: { authorization: '' } })

  it('is the cloud’s description, as az cloud register takes it', async () => {
    const found = await open('/metadata/endpoints?api-version=2022-09-01')
    expect(found.json()).toEqual({
      name: 'Strongroom',
      portal: 'https://portal.strongroom.internal',
      resourceManager: 'https://management.strongroom.internal',
      authentication: {
        loginEndpoint: 'https://login.strongroom.internal',
        audiences: [managementAudience, 'https://management.core.windows.net/'],
        tenant: 'tenant',
        identityProvider: 'AAD',
      },
      graph: 'https://graph.strongroom.internal/',
      graphAudience: 'https://graph.strongroom.internal/',
      microsoftGraphResourceId: 'https://graph.strongroom.internal/',
      vmImageAliasDoc: 'https://management.strongroom.internal/aliases.json',
      attestationResourceId: 'https://attest.azure.net',
      suffixes: {
        keyVaultDns: 'vault.strongroom.internal',
        mhsmDns: 'managedhsm.strongroom.internal',
        attestationEndpoint: 'attest.strongroom.internal',
        storage: 'storage.strongroom.internal',
      },
    })
    expect(audiences.flat()).toEqual([])
  })

  it('are the short names of images, this one’s first and Azure’s behind it', async () => {
    const { Linux } = (await open('/aliases.json')).json().outputs.aliases.value as { Linux: Record<string, Loose> }
    const [own] = Object.keys(Linux)
    expect([own, Linux[own!]!.version, Linux[own!]!.architecture]).toEqual(['Debian13Cvm', 'latest', 'x64'])
    expect(
      Object.entries(Linux)
        .slice(1)
        .map(([alias, image]) =>
          [alias, image.publisher, image.offer, image.sku, image.version, image.architecture].join(' '),
        ),
    ).toEqual([
      'Ubuntu2204 Canonical 0001-com-ubuntu-server-jammy 22_04-lts-gen2 latest x64',
      'Ubuntu2404 Canonical ubuntu-24_04-lts server latest x64',
      'Debian11 Debian debian-11 11-gen2 latest x64',
      'Debian12 Debian debian-12 12-gen2 latest x64',
      'RHELRaw8LVMGen2 RedHat RHEL 8-lvm-gen2 latest x64',
      'OpenSuseLeap154Gen2 SUSE opensuse-leap-15-4 gen2 latest x64',
      'SuseSles15SP5 SUSE sles-15-sp5 gen2 latest x64',
      'FlatcarLinuxFreeGen2 kinvolk flatcar-container-linux-free stable-gen2 latest x64',
    ])
  })

  it('is the page that refusals link to, with a place for each rule', async () => {
    const found = await open('/docs/faq')
    expect([found.statusCode, found.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect([...found.body.matchAll(/<h2 id="(s\d+)">/g)].map(([, rule]) => rule)).toEqual(
      Object.keys(faqRules).map((rule) => rule.toLowerCase()),
    )
  })
})

describe('the namespaces of our own', () => {
  it('are described to anyone, and an app that lacks one of their routes does not start', async () => {
    const described = await app.inject({ method: 'GET', url: descriptionPath })
    expect(described.json<Loose>()).toEqual(openApiOf(managerWire))
    const some = createArmApp({ logger, verifier, tenantId: 'tenant', dispatcher, routes: () => routes.slice(1) })
    await expect(some.ready()).rejects.toThrow(/nothing answers GET .*Strongroom\.Fleet\/hosts$/)
  })
})
