import { setTimeout as sleep } from 'node:timers/promises'
import {
  hostAudience,
  sharedAttestationHost,
  homeRegion,
  type ImageRecord,
  type InstanceSpec,
  type InstanceStatus,
} from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { PlatformKeys } from '../../services/control-plane/src/host/platform-key.ts'
import { exampleSpec } from '../../services/paravisor/src/testing.ts'
import { startInProcess } from './support/in-process.ts'
import { TestInstallation } from './support/installation.ts'

/**
 * Conversion over the host's wire, with the real attestation service, vault and processors, and without a boot: what
 * the resource manager's saga requests, and what an insider with its rights could request.
 */
const installation = await TestInstallation.create()
const { vmId } = exampleSpec
let running: RunningInstallation
let keys: PlatformKeys
let spec: InstanceSpec
let tdxKey: string

const size = (name: string): InstanceSpec['size'] => ({ name, vCPUs: 2, memoryMiB: 8192 })
const provider = `https://${sharedAttestationHost(homeRegion.code)}`

async function ask(method: string, path: string, body?: unknown): Promise<InstanceStatus> {
  const { wire, tokens } = running.context
  const token = await tokens.token('controlPlane', hostAudience)
  const url = `${hostAudience}/instances/${vmId}${path}`
  const given = body === undefined ? {} : { body }
  return (await wire.request<InstanceStatus>({ method, url, token, timeoutMs: 120_000, ...given })).body
}

beforeAll(async () => {
  running = await startInProcess(installation)
  const image = await installation.must<ImageRecord>('image', 'build')
  keys = new PlatformKeys(running.context.wire, running.context.tokens)
  const guestStateKey = await keys.ensure({ vmId, tee: 'SNP', authority: provider, asker: undefined })
  spec = { ...exampleSpec, image: image.id, guestStateKey, attestationProvider: provider }
  await ask('PUT', '', spec)
  for (let status = await ask('GET', ''); status.provisioning.state !== 'Succeeded'; status = await ask('GET', '')) {
    if (status.provisioning.state === 'Failed') throw new Error(JSON.stringify(status.provisioning.error))
    await sleep(500)
  }
})

afterAll(async () => {
  await running?.close()
  await installation.remove()
})

describe('a guest state on other silicon', () => {
  it('is not moved under a key that other silicon than the new one opens: all is as it was', async () => {
    const conversion = { tee: 'TDX', size: size('Standard_DC2es_v5'), guestStateKey: spec.guestStateKey }
    await expect(ask('POST', '/convert', conversion)).rejects.toMatchObject({ code: 'KeyReleaseRefused' })
    expect((await ask('GET', '')).spec).toEqual(spec)
  })

  it('opens by evidence of TDX, and by none of SNP any more', async () => {
    tdxKey = await keys.ensure({ vmId, tee: 'TDX', authority: provider, converted: true, asker: undefined })
    const conversion = { tee: 'TDX', size: size('Standard_DC2es_v5'), guestStateKey: tdxKey }
    expect((await ask('POST', '/convert', conversion)).spec).toEqual({ ...spec, ...conversion })
    expect((await ask('POST', '/convert', conversion)).spec).toMatchObject({ tee: 'TDX' })
  })

  it('comes back by a key of its own, and its size with it', async () => {
    const snpKey = await keys.ensure({ vmId, tee: 'SNP', authority: provider, converted: true, asker: undefined })
    const conversion = { tee: 'SNP', size: size('Standard_EC2as_v5'), guestStateKey: snpKey }
    expect((await ask('POST', '/convert', conversion)).spec).toEqual({ ...spec, ...conversion })
    await keys.destroyKey(undefined, tdxKey)
    const back = { tee: 'TDX', size: size('Standard_DC2es_v5'), guestStateKey: tdxKey }
    await expect(ask('POST', '/convert', back)).rejects.toMatchObject({ status: 404 })
    expect((await ask('GET', '')).spec).toMatchObject({ tee: 'SNP', guestStateKey: snpKey })
  })
})
