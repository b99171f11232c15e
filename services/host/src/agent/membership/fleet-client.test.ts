import { once } from 'node:events'
import { createServer } from 'node:https'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fleetHost, releaseStep, releaseStepHeader } from '@strongroom/contract'
import { createSealer, openAuthority, systemClock, type InstallationAuthority } from '@strongroom/platform'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FleetClient } from './fleet-client.ts'

let folder: string
let authority: InstallationAuthority
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-fleet-client-'))
  const installation = {
    id: 'test',
    tenantId: 't',
    subscriptionId: 's',
    mode: 'simulated' as const,
    createdAt: '2026-01-01T00:00:00.000Z',
    region: 'westeurope',
    ports: { tls: 1, local: 2 },
  }
  const sealer = createSealer(new Uint8Array(32).fill(7))
  authority = await openAuthority({ stateDir: folder, sealer, clock: systemClock, installation })
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

/** What a host gets from a server whose answers say this about its release. */
async function answerOf(step: string | undefined): Promise<string> {
  const { key, cert } = (await authority.serverCredentials(fleetHost))!
  const server = createServer({ key, cert }, (_request, response) => {
    if (step !== undefined) response.setHeader(releaseStepHeader, step)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = FleetClient.under({ address: `127.0.0.1:${port}`, authority: authority.caPem })
  try {
    return await client.text('/installation')
  } finally {
    client.close()
    server.close()
  }
}

it('works with a server of the release before or after', async () => {
  for (const step of [undefined, releaseStep - 1, releaseStep, releaseStep + 1])
    expect(await answerOf(step?.toString()), String(step)).toBe('{}')
})

it.each([String(releaseStep + 2), 'later'])('follows no server of release %s, and says why', async (step) => {
  await expect(answerOf(step)).rejects.toMatchObject({
    code: 'ReleaseStepsApart',
    message: 'The server is of a release that does not work with this one.',
    found: step,
    remedy: expect.stringContaining('the server first') as string,
  })
})
