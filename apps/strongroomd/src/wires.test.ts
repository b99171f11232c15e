import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { sharedAttestationHost, vaultHost } from '@strongroom/contract'
import {
  attestationManagementWire,
  attestationWire,
  descriptionPath,
  hostWire,
  identityWire,
  managerWire,
  openApiOf,
  ownerSocketWire,
  testSocketWire,
  vaultManagementWire,
  vaultWire,
  wires,
  type Wire,
} from '@strongroom/contract/wires'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestInstallation, type TestInstallation } from './testing/running.ts'

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation({ testApi: true })
})
afterAll(async () => await installation.close())

/** Where each wire is served. */
const places: [Wire, string][] = [
  [managerWire, managerWire.server],
  [hostWire, hostWire.server],
  [vaultManagementWire, vaultManagementWire.server],
  [vaultWire, `https://${vaultHost('platform')}`],
  [vaultWire, 'https://any.managedhsm.strongroom.internal'],
  [attestationManagementWire, attestationManagementWire.server],
  [attestationWire, `https://${sharedAttestationHost('weu')}`],
  [identityWire, identityWire.server],
]
const sockets: [Wire, string][] = [
  [ownerSocketWire, 'owner.sock'],
  [testSocketWire, 'test.sock'],
]

async function ask(socket: string, o: { method: string; path: string; body?: string }): Promise<[number, unknown]> {
  const socketPath = join(installation.running.context.stateDir, 'run', socket)
  return await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const sent = httpRequest({ socketPath, path: o.path, method: o.method, headers }, (received) => {
      let text = ''
      received.on('data', (chunk: Buffer) => (text += chunk.toString()))
      received.on('end', () => resolve([received.statusCode ?? 0, JSON.parse(text)]))
    })
    sent.on('error', reject)
    sent.end(o.body)
  })
}

describe('a wire of our own', () => {
  it.each(places)('$name describes itself to anyone at %s', async (wire, place) => {
    const { body } = await installation.wire.request({ method: 'GET', url: `${place}${descriptionPath}` })
    expect(body).toEqual(openApiOf(wire))
  })

  it.each(sockets)('$name describes itself to whoever may open it', async (wire, socket) => {
    expect(await ask(socket, { method: 'GET', path: descriptionPath })).toEqual([200, openApiOf(wire)])
  })

  it('is described somewhere, each', () => {
    // What guests see is tested in services/host/src/network/metadata-server.test.ts, joined hosts in
    // services/control-plane/src/fleet/wire/host-app.test.ts.
    const served = new Set(['guest', 'fleet', ...[...places, ...sockets].map(([wire]) => wire.name)])
    expect(wires.map(({ name }) => name).filter((name) => !served.has(name))).toEqual([])
  })

  it.each(sockets.flatMap(([wire, socket]) => wire.operations.map(({ path }) => [socket, path] as const)))(
    '%s refuses a member that %s does not have',
    async (socket, path) => {
      const [status, answer] = await ask(socket, { method: 'POST', path, body: '{"surplus":1}' })
      expect(status).toBe(400)
      const { details } = (answer as { error: { details: { code: string; target: string }[] } }).error
      expect(details).toContainEqual(expect.objectContaining({ code: 'UnknownField', target: 'surplus' }))
    },
  )
})
