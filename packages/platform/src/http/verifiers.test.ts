import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifiersFile } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAuthority, type InstallationAuthority } from '../authority/authority.ts'
import { systemClock } from '../clock/clock.ts'
import { openInstallation } from '../installation/installation.ts'
import { createSealer } from '../sealing/sealer.ts'
import { readVerifiers, type AttestationVerifier } from './verifiers.ts'
import { createWireClient, type WireClient } from './wire-client.ts'

const host = 'witness.weu.attest.strongroom.internal'
const issuer = `https://${host}`
const folders: string[] = []

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-verifiers-'))
  folders.push(folder)
  return folder
}

async function newAuthority(): Promise<{ stateDir: string; authority: InstallationAuthority }> {
  const stateDir = await newFolder()
  const { installation } = await openInstallation({ stateDir, ports: { tls: 1, local: 2 } })
  const sealer = createSealer(randomBytes(32))
  return { stateDir, authority: await openAuthority({ stateDir, sealer, clock: systemClock, installation }) }
}

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('STATE/attestation-verifiers.json', () => {
  const read = async (settings: object): Promise<AttestationVerifier[]> => {
    const stateDir = await newFolder()
    await writeFile(join(stateDir, verifiersFile), JSON.stringify({ other: settings }))
    return await readVerifiers(stateDir)
  }

  it('names nobody where there is none', async () => {
    expect(await readVerifiers(await newFolder())).toEqual([])
  })

  it.each([
    ['the region’s shared provider', { issuer: 'https://sharedweu.weu.attest.strongroom.internal' }],
    ['that of another region', { issuer: 'https://sharedneu.neu.attest.strongroom.internal' }],
    ['another service of the installation', { issuer: 'https://vault.strongroom.internal' }],
    ['a provider’s name without the place where it is', { issuer }],
    ['an authority that is not there', { issuer: 'https://a.example', authority: '/nonexistent/ca.pem' }],
    ['an authority that is not a certificate', { issuer: 'https://a.example', authority: '/etc/hostname' }],
  ])('is refused with %s', async (_what, settings) => {
    const connect = 'issuer' in settings && settings.issuer === issuer ? {} : { connect: '127.0.0.1:1' }
    await expect(read({ ...connect, ...settings })).rejects.toMatchObject({
      code: 'AttestationVerifiersInvalid',
      target: verifiersFile,
    })
  })
})

describe('a provider of another origin', () => {
  let server: Server
  let wire: WireClient
  const asked: string[] = []
  let moved = false

  beforeAll(async () => {
    const other = await newAuthority()
    const own = await newAuthority()
    const { key, cert } = (await other.authority.serverCredentials(host))!
    server = createServer({ key, cert }, (request, response) => {
      asked.push(`${request.method} ${request.headers.host}${request.url}`)
      if (moved) response.writeHead(302, { location: 'https://evil.example/certs' })
      response.end(moved ? '' : JSON.stringify({ keys: [] }))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const verifier = { name: 'witness', issuer, keys: `${issuer}/certs`, collateral: false }
    wire = createWireClient({
      port: 1,
      caPem: own.authority.caPem,
      verifiers: [
        { ...verifier, connect: { host: '127.0.0.1', port }, authorityPem: other.authority.caPem },
        {
          ...verifier,
          name: 'stranger',
          issuer: 'https://stranger.example',
          keys: 'https://stranger.example/certs',
          connect: { host: '127.0.0.1', port },
          authorityPem: own.authority.caPem,
        },
      ],
    })
  })
  afterAll(() => {
    wire?.close()
    server?.closeAllConnections()
    server?.close()
  })

  it('is reached at the operator’s address, under its own name and authorities', async () => {
    const { body } = await wire.request({ method: 'GET', url: `${issuer}/certs` })
    expect(body).toEqual({ keys: [] })
    await wire.request({ method: 'POST', url: `${issuer}/attest/SevSnpVm?api-version=2022-08-01`, body: {} })
    expect(asked.splice(0)).toEqual([`GET ${host}/certs`, `POST ${host}/attest/SevSnpVm?api-version=2022-08-01`])
  })

  it('is asked for tokens and keys alone, and never shown a token of ours', async () => {
    for (const request of [
      { method: 'GET', url: `${issuer}/policies/SevSnpVm` },
      { method: 'PUT', url: `${issuer}/policies/SevSnpVm` },
      { method: 'GET', url: `${issuer}/certs?x=1` },
      { method: 'POST', url: `${issuer}/attest/../policies/SevSnpVm:reset` },
      { method: 'GET', url: `${issuer}/certs`, token: 'of ours' },
    ])
      await expect(wire.request(request)).rejects.toMatchObject({ code: 'PeerNotAllowed' })
    expect(asked).toEqual([])
  })

  it('is not found by a name that only looks like it, nor by a redirect', async () => {
    for (const url of [
      'https://attest.example.org/certs',
      'https://stranger.example.evil.example/certs',
      `https://${host}:8443/certs`,
      `http://${host}/certs`,
    ])
      await expect(wire.request({ method: 'GET', url })).rejects.toMatchObject({ code: 'PeerNotAllowed' })
    moved = true
    await expect(wire.request({ method: 'GET', url: `${issuer}/certs` })).rejects.toMatchObject({ status: 502 })
    moved = false
    expect(asked.splice(0)).toEqual([`GET ${host}/certs`])
  })

  it('is not believed under another’s authorities', async () => {
    await expect(wire.request({ method: 'GET', url: 'https://stranger.example/certs' })).rejects.toMatchObject({
      code: 'PeerUnreachable',
    })
    expect(asked).toEqual([])
  })
})
