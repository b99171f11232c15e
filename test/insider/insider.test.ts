import { mkdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  platformKeyName,
  sharedAttestationHost,
  vaultAudience,
  vaultHost,
  homeRegion,
  machineAudience,
  machineHost,
} from '@strongroom/contract'
import { compose, type RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { machineProcesses } from '../system/support/processes.ts'
import { openArm, readEvidence, type VmView } from '../system/support/vm.ts'

/** Not part of `npm test` yet: `npm test -- --project insider`. The server runs inside this process, so that the tests may speak as the platform's own principals, as an operator's insider could. */
const installation = await TestInstallation.create()
let server: RunningInstallation
let vm: VmView

beforeAll(async () => {
  process.env['XDG_CONFIG_HOME'] = `${installation.home}/config`
  await mkdir(installation.stateDir, { recursive: true, mode: 0o700 })
  server = await compose({
    stateDir: installation.stateDir,
    cacheDir: installation.cacheDir,
    ports: { tls: String(installation.ports.tls), local: String(installation.ports.local) },
  })
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', 'canary')
})

afterAll(async () => {
  await server.close()
  await installation.remove()
})

describe('a token', () => {
  it("of one VM releases its own key, and never another VM's", async () => {
    const { token } = (await readEvidence(installation, 'canary')).attestation
    const { wire, tokens } = server.context
    const vault = `https://${vaultHost('platform')}`
    const own = `${vault}/keys/${platformKeyName(vm.properties.vmId)}`
    const asPlatform = await tokens.token('controlPlane', vaultAudience)
    const asOrchestrator = await tokens.token('orchestrator', vaultAudience)
    const other = '11111111-2222-4333-8444-555555555555'
    const ownKey = await wire.request<{ key: { kid: string }; release_policy: { data: string } }>({
      method: 'GET',
      url: `${own}?api-version=7.4`,
      token: asPlatform,
    })
    const policy = Buffer.from(ownKey.body.release_policy.data, 'base64url')
      .toString()
      .replaceAll(vm.properties.vmId.toUpperCase(), other.toUpperCase())
    await wire.request({
      method: 'POST',
      url: `${vault}/keys/${platformKeyName(other)}/create?api-version=7.4`,
      token: asPlatform,
      body: {
        kty: 'RSA-HSM',
        key_size: 3072,
        attributes: { exportable: true },
        release_policy: { data: Buffer.from(policy).toString('base64url') },
      },
    })
    const release = async (key: string): Promise<number> =>
      (
        await wire.request({
          method: 'POST',
          url: `${key}/release?api-version=7.4`,
          token: asOrchestrator,
          body: { target: token },
        })
      ).status
    expect(await release(ownKey.body.key.kid)).toBe(200)
    await expect(release(`${vault}/keys/${platformKeyName(other)}`)).rejects.toMatchObject({ status: 403 })
  })
})

describe('Secure Boot switched off under a sealed disk', () => {
  // The resource manager refuses it outright, so the machine is asked directly, as an operator's insider could.
  const setSecureBoot = async (secureBoot: boolean): Promise<void> => {
    const token = await server.context.tokens.token('controlPlane', machineAudience)
    await server.context.wire.request({
      method: 'PATCH',
      url: `https://${machineHost}/instances/${vm.properties.vmId}`,
      token,
      body: { security: { secureBoot } },
    })
  }

  it('the disk does not unlock, and the error names PCR 7 with both values', async () => {
    await installation.must('vm', 'deallocate', 'canary')
    await setSecureBoot(false)
    const outcome = await installation.cli('vm', 'start', 'canary')
    expect(outcome.code).not.toBe(0)
    const { error } = outcome.json as { error: { message: string; innererror?: { expected?: string; found?: string } } }
    expect(JSON.stringify(error)).toContain('OS disk did not unlock')
    expect(JSON.stringify(error)).toContain('PCR 7')
    expect(await machineProcesses(vm.properties.vmId)).toEqual([])
    await setSecureBoot(true)
  })
})

describe('an attestation policy that denies', () => {
  it('means no token, so no key, so no start; and the error says so', async () => {
    const arm = await openArm(installation)
    expect(arm.region).toBe(homeRegion.name)
    const provider = `https://${sharedAttestationHost(homeRegion.code)}`
    const { connect } = await import('../../apps/cli/src/client/connection.ts')
    const connection = await connect(installation.stateDir)
    const token = await connection.ownerToken('https://attest.azure.net')
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const text = 'version=1.0;authorizationrules{=>deny();};issuancerules{};'
    const policy = `${encode({ alg: 'none' })}.${encode({ AttestationPolicy: Buffer.from(text).toString('base64url') })}.`
    const url = `${provider}/policies/SevSnpVm?api-version=2022-08-01`
    await server.context.wire.request({
      method: 'PUT',
      url,
      token,
      body: policy,
      headers: { 'content-type': 'text/plain' },
    })
    const outcome = await installation.cli('vm', 'start', 'canary')
    expect(outcome.code).not.toBe(0)
    expect(outcome.stdout).toContain('PolicyEvaluationError')
    expect(await machineProcesses(vm.properties.vmId)).toEqual([])
    await server.context.wire.request({
      method: 'POST',
      url: `${provider}/policies/SevSnpVm:reset?api-version=2022-08-01`,
      token,
      body: `${encode({ alg: 'none' })}..`,
      headers: { 'content-type': 'text/plain' },
    })
    await installation.must('vm', 'start', 'canary')
    await installation.must('vm', 'delete', 'canary', '--yes')
  })
})
