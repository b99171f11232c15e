import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  attestationAudience,
  homeRegion,
  hostAudience,
  hostApiHost,
  platformKeyName,
  sharedAttestationHost,
  vaultAudience,
  vaultHost,
  type InstanceStatus,
} from '@strongroom/contract'
import { connect } from '../../apps/cli/src/client/connection.ts'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { run } from '@strongroom/platform'
import { findMarks, textsWith } from './support/canary.ts'
import { readDiskSecrets } from './support/disk-secrets.ts'
import { startInProcess } from './support/in-process.ts'
import { TestInstallation } from './support/installation.ts'
import { ProcessWatch } from './support/process-watch.ts'
import { processesOf } from './support/processes.ts'
import { swapOut, watchProcesses, watched, writeThrough } from './support/guest-canary.ts'
import { diskFile, guestStateFile, readEvidence, statusOf, type VmView } from './support/vm.ts'

const installation = await TestInstallation.create()
let server: RunningInstallation
let vm: VmView
/** Both halves of the OS disk's key: AES-256-XTS has two, and either would open half of the cipher. */
let diskKeys: Uint8Array[]
/** Arguments and environments of this host's processes while the VM was created. */
let duringCreate: string[]

beforeAll(async () => {
  server = await startInProcess(installation)
  await installation.must('image', 'build')
  const watch = await ProcessWatch.start()
  vm = await installation.must<VmView>('vm', 'create', 'canary', '--size', 'Standard_DC2ads_v5')
  duringCreate = await watch.stop()
  const { volumeKey } = await readDiskSecrets(vm.properties.vmId)
  expect(volumeKey).toHaveLength(64)
  diskKeys = [volumeKey.subarray(0, 32), volumeKey.subarray(32)]
  await installation.asRoot('canary', watchProcesses)
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
      'sudo tee /var/lib/canary-{1..200}.bin </var/lib/canary.bin >/dev/null',
      'sudo tpm2_nvdefine --quiet 0x01500001 -C o -s 24',
      `echo ${tpmMark.toString('base64')} | base64 --decode | sudo tpm2_nvwrite --quiet 0x01500001 -C o -i -`,
      'sync; sleep 3',
      'sudo sha256sum /var/lib/canary-200.bin | cut -d" " -f1',
      'sudo tpm2_nvread 0x01500001 -C o -s 24 | sha256sum | cut -d" " -f1',
    ].join('\n')
    const run = await installation.inGuest('canary', script)
    expect(run.code, run.stderr).toBe(0)
    // Both marks really are where they should be; otherwise finding none would prove nothing.
    expect(run.stdout.trim().split('\n')).toEqual([digest(diskMark), digest(tpmMark)])
    expect(await findMarks(installation.stateDir, [diskMark, tpmMark, ...diskKeys])).toEqual([])
  })

  it('are found by this scan where they do lie in clear: in a file that holds one', async () => {
    const mark = randomBytes(24)
    const planted = `${installation.stateDir}/planted`
    await writeFile(planted, Buffer.concat([randomBytes(5000), Buffer.from(mark.toString('base64'))]))
    expect(await findMarks(installation.stateDir, [mark])).toEqual([planted])
    await rm(planted)
  })

  it('are in no program’s arguments or environment while the VM is made, those of its disk’s key (attack D9)', async () => {
    // The process that puts the key into the vTPM runs for a tenth of a second.
    expect(duringCreate.filter((each) => /^[^\0]*tpm2_nvwrite\0.*0x01400100/.test(each))).not.toEqual([])
    expect(duringCreate.filter((each) => /^[^\0]*qemu-system/.test(each))).not.toEqual([])
    expect(textsWith(duringCreate, diskKeys)).toEqual([])
  })

  it('are found by this watch where a program has them for a moment, in its arguments or its environment', async () => {
    const [argument, variable] = [randomBytes(32), randomBytes(32)]
    const watch = await ProcessWatch.start()
    await run({ command: 'sleep', args: ['0.1'], env: { PASSPHRASE: variable.toString('base64') } })
    await run({ command: 'sh', args: ['-c', 'sleep 0.1; :', argument.toString('hex')] })
    const seen = await watch.stop()
    expect(textsWith(seen, [argument]).length).toBeGreaterThan(0)
    expect(textsWith(seen, [variable]).length).toBeGreaterThan(0)
  })
})

describe('what a guest’s system writes by itself', () => {
  it('is in clear nowhere: swap, the core of a program, the temporary disk (attack D11)', async () => {
    const mark = randomBytes(24)
    const said = await installation.asRoot('canary', swapOut(mark.toString('hex')))
    // The guest itself finds it on each device and in the core, and reads noise from the temporary disk's own sectors.
    expect(said.split('\n')).toEqual([
      'in swap on /var/swapfile',
      'in swap on /dev/disk/azure/resource',
      'in the core of the program',
      'on the temporary disk',
      'not on the temporary disk as the host has it',
    ])
    expect(statusOf(await installation.must<VmView>('vm', 'show', 'canary'), 'Swap/').code).toBe('Swap/protected')
    expect(await findMarks(installation.stateDir, [mark])).toEqual([])
  })

  it('is found by this scan where it does lie in clear: on the temporary disk beneath its encryption, on the EFI partition', async () => {
    const [below, esp] = [randomBytes(24), randomBytes(24)]
    const write = async (mark: Buffer, device: string, mebibytes: number): Promise<string> =>
      await installation.asRoot('canary', writeThrough(mark.toString('hex'), { device, mebibytes }))
    await write(below, '/dev/disk/strongroom/temporary', 200)
    await write(esp, '/dev/vda1', 280)
    const found = await findMarks(installation.stateDir, [below])
    expect(found.length).toBeGreaterThan(0)
    for (const path of found) expect(path).toMatch(/^\/proc\/\d+\/fd\/\d+$/)
    expect(await findMarks(installation.stateDir, [esp])).toEqual([await diskFile(installation, vm)])
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
  // The resource manager refuses it and sets it again at each start, so the test asks the host directly, as an insider could.
  const host = async <T>(method: string, action: string, body?: unknown): Promise<T> => {
    const token = await server.context.tokens.token('controlPlane', hostAudience)
    const url = `https://${hostApiHost}/instances/${vm.properties.vmId.toUpperCase()}${action}`
    return (await server.context.wire.request<T>({ method, url, token, ...(body === undefined ? {} : { body }) })).body
  }
  const power = async (): Promise<InstanceStatus['power']> => (await host<InstanceStatus>('GET', '')).power

  it('the disk does not unlock, and the error names PCR 7 with both values', async () => {
    await installation.must('vm', 'deallocate', 'canary')
    await host('PATCH', '', { security: { secureBoot: false } })
    await host('POST', '/start')
    await expect
      .poll(async () => (await power()).state, { timeout: 500_000, interval: 1000 })
      .toMatch(/^(Failed|Ready|Stopped)$/)
    const { state, error } = await power()
    expect(state).toBe('Failed')
    expect(error?.message).toContain('OS disk did not unlock')
    expect(error?.innererror?.expected).toMatch(/PCR 7/)
    expect(error?.innererror?.found).toMatch(/PCR 7/)
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await host('PATCH', '', { security: { secureBoot: true } })
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
    expect(await processesOf(vm.properties.vmId)).toEqual([])
    await server.context.wire.request({
      method: 'POST',
      url: `${provider}/policies/SevSnpVm:reset?api-version=2022-08-01`,
      token,
      body: `${encode({ alg: 'none' })}..`,
      headers: { 'content-type': 'text/plain' },
    })
  })
})

describe('the VM, started again and deleted', () => {
  it('has its disk’s key in no program’s arguments or environment meanwhile, on the host or in the guest (attack D9)', async () => {
    await installation.must('vm', 'deallocate', 'canary')
    const watch = await ProcessWatch.start()
    await installation.must('vm', 'start', 'canary')
    const seen = await watch.stop()
    expect(seen.filter((each) => /^[^\0]*tpm2_nvwrite\0/.test(each))).not.toEqual([])
    expect(textsWith(seen, diskKeys)).toEqual([])
    const inside = (await installation.asRoot('canary', watched)).split('\n')
    // From the first programs of the system on. In the initrd, the shell's builtins have the key as an argument.
    for (const program of [/^1 .*init/, /systemd-udevd/, /strongroom\/agent/, /sshd/])
      expect(inside.filter((line) => program.test(line))).not.toEqual([])
    expect(inside.at(-1)).toBe('printf is a shell builtin')
    expect(textsWith(inside, diskKeys)).toEqual([])
  })

  it('leaves copies of its files to which there is no key any more (attack D12)', async () => {
    const { token } = (await readEvidence(installation, 'canary')).attestation
    const { wire, tokens } = server.context
    const vault = `https://${vaultHost('platform')}`
    const name = platformKeyName(vm.properties.vmId)
    const ask = async (
      who: 'controlPlane' | 'orchestrator',
      method: string,
      path: string,
      body?: object,
    ): Promise<unknown> =>
      await wire
        .request({
          method,
          url: `${vault}/${path}?api-version=7.4`,
          token: await tokens.token(who, vaultAudience),
          ...(body && { body }),
        })
        .then(
          ({ status }) => status,
          ({ status }: { status?: number }) => status,
        )
    const release = async (): Promise<unknown> =>
      await ask('orchestrator', 'POST', `keys/${name}/release`, { target: token })
    await installation.must('vm', 'deallocate', 'canary')
    const [disk, state] = [await diskFile(installation, vm), await guestStateFile(installation, vm)]
    await copyFile(state, `${installation.home}/guest-state`)
    expect(await release()).toBe(200)
    await installation.must('vm', 'delete', 'canary', '--yes')
    expect([disk, state].filter((path) => existsSync(path))).toEqual([])
    expect(await release()).toBe(404)
    expect(await ask('controlPlane', 'GET', `keys/${name}`)).toBe(404)
    expect(await ask('controlPlane', 'POST', `deletedkeys/${name}/recover`)).toBe(404)
    expect(await ask('controlPlane', 'GET', `deletedkeys/${name}`)).toBe(404)
    expect(await findMarks(installation.home, diskKeys)).toEqual([])
  })
})
