import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostAudience } from '@strongroom/contract'
import { createLogger, createSealer, openStore, ServiceError, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FirmwareReleases } from '../firmware/firmware-releases.ts'
import { openMeasurementKey } from '../image/measurement-key.ts'
import { PublishedMeasurements } from '../image/published-measurements.ts'
import { InstanceStore } from '../records/instance-store.ts'
import { Host } from '../instances/host.ts'
import type { HostServices } from '../instances/services.ts'
import { SimulatedBootStore } from '../simulated/boot-store.ts'
import { SimulatedBoots } from '../simulated/simulated-boots.ts'
import { DiskStore } from '../disk-store/disk-store.ts'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { Backups } from '../backup/backups.ts'
import { Restores } from '../restores/restores.ts'
import { ImageBuilds } from './image-builds.ts'
import { createHostApp } from './host-routes.ts'

const logger = createLogger({ level: 'silent' })
const caller = (
  objectId: string,
): { objectId: string; appId: string; tenantId: string; claims: Record<string, unknown> } => ({
  objectId,
  appId: '',
  tenantId: '',
  claims: {},
})

let directory: string
let store: InstanceStore
let disks: DiskStore
let app: ReturnType<typeof createHostApp>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'machine-'))
  const rows = await openStore({
    url: `sqlite:${directory}`,
    service: 'host',
    sealer: createSealer(new Uint8Array(32)),
  })
  store = await InstanceStore.open(rows, createSealer(new Uint8Array(32)))
  const services = {
    store,
    silicon: undefined,
    installation: { mode: 'simulated' },
    clock: systemClock,
    logger,
    stateDir: directory,
    cacheDir: directory,
    sealer: createSealer(new Uint8Array(32)),
  } as unknown as HostServices
  const key = await openMeasurementKey(services)
  const published = { stateDir: directory, clock: systemClock, key }
  const measurements = new PublishedMeasurements(published)
  const host = new Host(services)
  disks = new DiskStore(services, host)
  app = createHostApp({
    host,
    disks,
    backups: new Backups({ services, host, grants: disks.grants }),
    restores: new Restores(),
    simulated: new SimulatedBoots(services, await SimulatedBootStore.open(rows)),
    measurements,
    firmware: new FirmwareReleases(published),
    builds: new ImageBuilds({ ...services, measurements }),
    cacheDir: directory,
    controlPlaneObjectId: 'control-plane',
    logger,
    verifier: {
      verify: async (token, audiences) => {
        if (audiences.includes(hostAudience) && token !== 'bad') return caller(token)
        throw new ServiceError({ code: 'InvalidAuthenticationToken', message: 'no' })
      },
    },
  })
})

afterEach(async () => {
  await app.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const send = (
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  token: string | undefined,
  payload?: object,
): Promise<{ statusCode: number; json(): { error: { code: string } } }> =>
  app.inject({
    method,
    url,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...(payload && { payload }),
  })

describe('host wire', () => {
  it.each([undefined, 'bad'])('asks for a token before anything else (%s)', async (token) => {
    expect((await send('GET', '/instances', token)).statusCode).toBe(401)
    expect((await send('PUT', `/instances/${exampleSpec.vmId}`, token, { garbage: true })).statusCode).toBe(401)
  })

  it('lets nobody but the control plane in, not even to look', async () => {
    for (const url of [
      '/instances',
      `/instances/${exampleSpec.vmId}/evidence`,
      '/images',
      `/simulated/${exampleSpec.vmId}/evidence`,
    ]) {
      const answer = await send('GET', url, 'owner')
      expect(answer.statusCode).toBe(403)
      expect(answer.json().error.code).toBe('AuthorizationFailed')
    }
  })

  it('says that a VM is not there, and deletes what is not there without complaint', async () => {
    expect((await send('GET', `/instances/${exampleSpec.vmId}`, 'control-plane')).statusCode).toBe(404)
    expect((await send('POST', '/instances/..%2f..%2fetc/start', 'control-plane')).statusCode).toBe(404)
    expect((await send('DELETE', `/instances/${exampleSpec.vmId}`, 'control-plane')).statusCode).toBe(204)
  })

  it('refuses a confidential VM in hardware mode rather than simulating it', async () => {
    const answer = await send('PUT', `/instances/${exampleSpec.vmId}`, 'control-plane', exampleSpec)
    expect(answer.statusCode).toBe(501)
    expect(answer.json().error.code).toBe('HardwareModeNotBuilt')
  })

  it('makes no boot without a guest where guests run', async () => {
    const body = { bootId: '5a1e0000-0000-4000-8000-0000000007e5', spec: exampleSpec }
    const answer = await send('PUT', `/simulated/${exampleSpec.vmId}/boot`, 'control-plane', body)
    expect([answer.statusCode, answer.json().error.code]).toEqual([409, 'GuestsRunHere'])
    const without = await send('PUT', `/simulated/${exampleSpec.vmId}/boot`, 'control-plane', { spec: exampleSpec })
    expect([without.statusCode, without.json().error.code]).toEqual([400, 'InvalidRequestContent'])
    expect((await send('DELETE', '/simulated/..%2f..%2fetc', 'control-plane')).statusCode).toBe(404)
  })

  it('says whether the reference image is built', async () => {
    const answer = await send('GET', '/images/build', 'control-plane')
    expect(answer.json()).toEqual({ state: 'Absent', steps: [] })
    const variant = await send('GET', '/images/build?variant=cloud-init', 'control-plane')
    expect(variant.json()).toEqual({ state: 'Absent', steps: [] })
    for (const method of ['GET', 'POST'] as const) {
      const unknown = await send(method, '/images/build?variant=windows', 'control-plane')
      expect([unknown.statusCode, unknown.json().error.code]).toEqual([400, 'InvalidParameter'])
    }
  })

  it('refuses an import without an absolute path', async () => {
    expect((await send('POST', '/images/import', 'control-plane', { path: 'disk.raw', name: 'x' })).statusCode).toBe(
      400,
    )
  })
})
