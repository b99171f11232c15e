import { createHash, randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  attestationAudience,
  homeRegion,
  machineAudience,
  machineHost,
  platformKeyName,
  sharedAttestationHost,
  vaultAudience,
  vaultHost,
  type InstanceStatus,
} from '@strongroom/contract'
import { connect } from '../../apps/cli/src/client/connection.ts'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { findMarks } from './support/canary.ts'
import { readDiskSecrets } from './support/disk-secrets.ts'
import { startInProcess } from './support/in-process.ts'
import { TestInstallation } from './support/installation.ts'
import { machineProcesses } from './support/processes.ts'
import { readEvidence, type VmView } from './support/vm.ts'

const installation = await TestInstallation.create()
let server: RunningInstallation
let vm: VmView

beforeAll(async () => {
  server = await startInProcess(installation)
  await installation.must('image', 'build')
  vm = await installation.must<VmView>('vm', 'create', 'canary')
})

afterAll(async () => {
  await server.close()
  await installation.remove()
})

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('secrets of a running VM', () => {
  it('never appear in a file under the state directory, in a log, in an argument list or an environment (attack Q5)', async () => {
    const diskMark = randomBytes(24)
    const tpmMark = randomBytes(24)
    const script = [
      'set -e -o pipefail',
      `echo ${diskMark.toString('base64')} | base64 --decode | sudo tee /var/lib/canary.bin >/dev/null`,
      'for i in $(seq 200); do sudo cp /var/lib/canary.bin /var/lib/canary-$i.bin; done',
      'sudo tpm2_nvdefine --quiet 0x01500001 -C o -s 24',
      `echo ${tpmMark.toString('base64')} | base64 --decode | sudo tpm2_nvwrite --quiet 0x01500001 -C o -i -`,
      'sync; sleep 3',
      'sudo sha256sum /var/lib/canary-200.bin | cut -d" " -f1',
      'sudo tpm2_nvread 0x01500001 -C o -s 24 | sha256sum | cut -d" " -f1',
    ].join('\n')
    const run = await installation.inGuest('canary', script)
    expect(run.code, run.stderr).toBe(0)
    // Both marks really lie where they were meant to be; otherwise finding none would mean nothing.
    expect(run.stdout.trim().split('\n')).toEqual([digest(diskMark), digest(tpmMark)])
    const { volumeKey } = await readDiskSecrets(vm.properties.vmId)
    // AES-256-XTS: two keys, either of which would open half of the cipher.
    expect(volumeKey).toHaveLength(64)
    const secrets = [diskMark, tpmMark, volumeKey.subarray(0, 32), volumeKey.subarray(32)]
    expect(await findMarks(installation.stateDir, secrets)).toEqual([])
  })

  it('are found by this scan where they do lie in clear: in a file that holds one', async () => {
    const mark = randomBytes(24)
    const planted = `${installation.stateDir}/planted`
    await writeFile(planted, Buffer.concat([randomBytes(5000), Buffer.from(mark.toString('base64'))]))
    expect(await findMarks(installation.stateDir, [mark])).toEqual([planted])
    await rm(planted)
  })
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
  // The resource manager refuses it and sets it again at each start, so the machine is asked directly, as an insider could.
  const machine = async <T>(method: string, action: string, body?: unknown): Promise<T> => {
    const token = await server.context.tokens.token('controlPlane', machineAudience)
    const url = `https://${machineHost}/instances/${vm.properties.vmId.toUpperCase()}${action}`
    return (await server.context.wire.request<T>({ method, url, token, ...(body === undefined ? {} : { body }) })).body
  }
  const power = async (): Promise<InstanceStatus['power']> => (await machine<InstanceStatus>('GET', '')).power

  it('the disk does not unlock, and the error names PCR 7 with both values', async () => {
    await installation.must('vm', 'deallocate', 'canary')
    await machine('PATCH', '', { security: { secureBoot: false } })
    await machine('POST', '/start')
    await expect
      .poll(async () => (await power()).state, { timeout: 500_000, interval: 1000 })
      .toMatch(/^(Failed|Ready|Stopped)$/)
    const { state, error } = await power()
    expect(state).toBe('Failed')
    expect(error?.message).toContain('OS disk did not unlock')
    expect(error?.innererror?.expected).toMatch(/PCR 7/)
    expect(error?.innererror?.found).toMatch(/PCR 7/)
    expect(await machineProcesses(vm.properties.vmId)).toEqual([])
    await machine('PATCH', '', { security: { secureBoot: true } })
  })
})

describe('an attestation policy that denies', () => {
  it('means no token, so no key, so no start; and the error says so', async () => {
    const provider = `https://${sharedAttestationHost(homeRegion.code)}`
    const connection = await connect(installation.stateDir)
    const token = await connection.ownerToken(attestationAudience)
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
