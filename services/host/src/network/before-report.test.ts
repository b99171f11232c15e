import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGuestProxy } from './doors/guest-proxy.ts'
import { spec, TestEndpoints } from './testing/test-endpoints.ts'

/**
 * A host’s own disk, sealed to a VM's vTPM, runs in it until its report is refused. This is what its programs can reach
 * of the platform until then.
 */
let endpoints: TestEndpoints
let directory: string
beforeAll(async () => {
  endpoints = await TestEndpoints.open()
  directory = await mkdtemp(join(tmpdir(), 'strongroom-proxy-'))
})
afterAll(async () => {
  await endpoints.close()
  await rm(directory, { recursive: true })
})

/** What others accept as the VM's own word, in all spellings that lead there. */
const spoken = [
  ['GET', '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'],
  ['GET', '/metadata//identity/oauth2/token/?api-version=2018-02-01&resource=r'],
  ['GET', '/metadata/identity/%6fauth2/token?api-version=2018-02-01&resource=r'],
  ['GET', '/metadata/attested/document?api-version=2021-02-01'],
  ['GET', '/metadata/%61ttested/document?api-version=2021-02-01'],
  ['POST', '/metadata/strongroom/hcl-report'],
  ['POST', '/acc/tdquote'],
  ['POST', '/metadata/acc/tdquote'],
  ['POST', `/metadata/THIM/tvm/certificate/renew?api-version=2023-07-01&vmId=${spec.vmId.toLowerCase()}`],
  ['GET', '/metadata/THIM/tvm/certificate/query?api-version=2021-12-01&guid=x'],
] as const

describe('before a boot was reported', () => {
  it('nothing that speaks for the VM is given to what runs in it, nor after a report that was refused (attack D5)', async () => {
    endpoints.identity = { clientId: 'c1', objectId: 'o1' }
    for (const tee of ['SNP', 'TDX'] as const) {
      await endpoints.serve(`early-${tee}`, tee, false)
      const guest = `early-${tee}`
      const asked = endpoints.asked.length
      for (const attempt of ['unreported', 'refused']) {
        for (const [method, path] of spoken) {
          const { status, json } = await endpoints.send({
            guest,
            method,
            path,
            ...(method === 'POST' && { body: '{}' }),
          })
          expect([attempt, path, status]).toEqual([attempt, path, 503])
          expect(JSON.stringify(json)).toContain('has not been reported yet')
        }
        expect((await endpoints.report(guest, Buffer.alloc(5))).status).toBe(403)
      }
      // What makes no statement about the VM to others is available: the agent needs it to report.
      for (const path of ['/metadata/instance?api-version=2021-02-01', '/metadata/strongroom/provisioning'])
        expect((await endpoints.send({ guest, path })).status).toBe(200)
      expect(endpoints.asked.length).toBe(asked)
      expect((await endpoints.report(guest)).status).toBe(200)
      const [, path] = spoken[0]
      expect((await endpoints.send({ guest, path })).json).toMatchObject({ access_token: 'eyJ.token' })
    }
  })

  it('its network leads nowhere, to no service of the installation and to no public address (attack D5)', async () => {
    const service: Server = createServer((socket) => socket.end('service'))
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    const { port } = service.address() as { port: number }
    let reported = false
    const path = join(directory, 'proxy')
    const proxy = await startGuestProxy({ socket: path, tlsPort: port, vmId: spec.vmId, reported: () => reported })
    const ask = async (target: string): Promise<string> => {
      const socket = connect({ path })
      socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\n`)
      let text = ''
      for await (const chunk of socket) text += String(chunk)
      return text
    }
    try {
      for (const target of [
        'platform.vault.strongroom.internal:443',
        'sharedweu.weu.attest.strongroom.internal:443',
        '93.184.216.34:443',
      ])
        expect(await ask(target)).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: 1\r\n/)
      reported = true
      expect(await ask('platform.vault.strongroom.internal:443')).toMatch(/^HTTP\/1\.1 200 [^]*service$/)
    } finally {
      await proxy.close()
      service.close()
    }
  })
})
