import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BootEvidence, DiskAccess } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../../apps/cli/src/client/arm.ts'
import { createVm, vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { defaultRequest, openArm, readEvidence, type VmView } from './support/vm.ts'

/**
 * A confidential VM that really boots, is captured with its encrypted disk, and becomes two VMs that really boot: each
 * has the content, and a separate vTPM, volume key and guest state. The tests share it, in this order.
 */
const installation = await TestInstallation.create()
const marker = 'written-before-the-capture-8f2c'
const group = 'strongroom'
const location = 'westeurope'
let arm: ArmClient
let source: VmView

const compute = (rest: string): string =>
  `${arm.subscription}/resourceGroups/${group}/providers/Microsoft.Compute/${rest}`
const general = (): string => compute('galleries/gal/images/general')
const special = (): string => compute('galleries/gal/images/special')
const put = async (path: string, body: unknown): Promise<void> =>
  void (await arm.run('PUT', path, apiVersions.compute, body))
const get = async <T>(path: string): Promise<T> => await arm.get<T>(path, apiVersions.compute)

async function define(path: string, sku: string, osState: string): Promise<void> {
  const features = [{ name: 'SecurityType', value: 'ConfidentialVM' }]
  const identifier = { publisher: 'test', offer: 'capture', sku }
  await arm.send('PUT', path, apiVersions.compute, {
    location,
    properties: { osType: 'Linux', osState, hyperVGeneration: 'V2', features, identifier },
  })
}

/** How often the text occurs in the files of all disks that the host keeps. */
async function clearInKept(text: string): Promise<string[]> {
  const folder = join(installation.stateDir, 'disks')
  const found: string[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const { stdout } = await promisify(execFile)('grep', ['-rlaF', text, path]).catch((error: { code?: number }) => {
      // 1: it occurs nowhere. Any other code means that the search failed.
      if (error.code !== 1) throw error
      return { stdout: '' }
    })
    found.push(...stdout.split('\n').filter((line) => line !== ''))
  }
  return found
}

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  source = await installation.must<VmView>('vm', 'create', 'source')
  arm = await openArm(installation)
  const script = `echo ${marker} | sudo tee /root/marker >/dev/null && sudo /usr/lib/strongroom/deprovision && sudo sync`
  expect((await installation.inGuest('source', script)).code).toBe(0)
  await arm.send('PUT', compute('galleries/gal'), apiVersions.compute, { location })
  await define(general(), 'general', 'Generalized')
  await define(special(), 'special', 'Specialized')
})

afterAll(async () => await installation.remove())

describe('a VM that is captured', () => {
  it('is copied only at rest', async () => {
    const body = {
      location,
      properties: { creationData: { createOption: 'Copy', sourceResourceId: await osDiskId() } },
    }
    await expect(put(compute('snapshots/early'), body)).rejects.toThrow('is running')
    await arm.run('POST', `${source.id}/deallocate`, apiVersions.compute)
  })

  it('gives a snapshot and a specialised version, as ciphertext, with guest state that opens for each alone', async () => {
    const creationData = { createOption: 'Copy', sourceResourceId: await osDiskId() }
    await put(compute('snapshots/snap'), { location, properties: { creationData, incremental: true } })
    const shown = await get<{ properties: Record<string, unknown> }>(compute('snapshots/snap'))
    expect(shown.properties).toMatchObject({
      provisioningState: 'Succeeded',
      securityProfile: { securityType: 'ConfidentialVM_DiskEncryptedWithPlatformKey' },
      qualification: { confidentialVM: true, diskEncryption: true, missing: [] },
    })
    const storageProfile = { source: { virtualMachineId: source.id } }
    await put(`${special()}/versions/1.0.0`, { location, properties: { storageProfile } })
  })

  it('is exported with its guest state and imported elsewhere, by addresses that die when they are taken back', async () => {
    const access = await arm.result<DiskAccess>(
      'POST',
      `${compute('snapshots/snap')}/beginGetAccess`,
      apiVersions.compute,
      {
        access: 'Read',
        durationInSeconds: 600,
        getSecureVMGuestStateSAS: true,
      },
    )
    expect(access.securityDataAccessSAS).toContain('guest-state.vmgs?')
    const imported = (name: string): Promise<void> =>
      put(compute(`disks/${name}`), {
        location,
        properties: {
          osType: 'Linux',
          hyperVGeneration: 'V2',
          creationData: {
            createOption: 'ImportSecure',
            sourceUri: access.accessSAS,
            securityDataUri: access.securityDataAccessSAS,
          },
          securityProfile: { securityType: 'ConfidentialVM_DiskEncryptedWithPlatformKey' },
        },
      })
    await imported('imported')
    await arm.run('POST', `${compute('snapshots/snap')}/endGetAccess`, apiVersions.compute)
    await expect(imported('late')).rejects.toThrow('failed to authenticate')
    await put(`${special()}/versions/2.0.0`, {
      location,
      properties: { storageProfile: { source: { id: compute('disks/imported') } } },
    })
  })

  it('is generalised, and passes into two VMs that are nobody’s twins', async () => {
    await arm.send('POST', `${source.id}/generalize`, apiVersions.compute)
    const storageProfile = { source: { virtualMachineId: source.id } }
    await put(`${general()}/versions/1.0.0`, { location, properties: { storageProfile } })
    expect(await clearInKept(marker)).toEqual([])

    const evidence: BootEvidence[] = [await readEvidence(installation, 'source')]
    for (const name of ['first', 'second']) {
      // The second is made from the definition: its latest version.
      const image = name === 'first' ? `${general()}/versions/1.0.0` : general()
      await createVm(arm, { ...(await defaultRequest(installation, name)), image })
      const seen = await installation.inGuest(name, 'hostname; sudo cat /root/marker; lsblk -ndo FSTYPE /dev/vda2')
      expect(seen.stdout.trim().split('\n').slice(0, 3)).toEqual([name, marker, 'crypto_LUKS'])
      evidence.push(await readEvidence(installation, name))
    }
    const distinct = (of: (each: BootEvidence) => unknown): number => new Set(evidence.map(of)).size
    expect(distinct(({ vtpm }) => vtpm.akPublic)).toBe(3)
    expect(distinct(({ osDisk }) => osDisk.opened?.luksUuid)).toBe(3)
    expect(distinct(({ expected }) => expected.volume)).toBe(3)
    expect(distinct(({ release }) => release.keyId)).toBe(3)
    // What they boot and under which keys is the same.
    expect(distinct(({ expected }) => expected.pcrs['7'])).toBe(1)
    expect(distinct(({ expected }) => expected.pcrs['11'])).toBe(1)
    const trust = await installation.cli('vm', 'trust', 'second')
    expect((trust.json as { trusted: boolean }).trusted).toBe(true)
  })

  it('starts no more, while a VM of it boots without the version that it was made of', async () => {
    await expect(arm.run('POST', `${source.id}/start`, apiVersions.compute)).rejects.toThrow('is generalized')
    await arm.run('DELETE', `${general()}/versions/1.0.0`, apiVersions.compute)
    await arm.run('POST', `${vmPath(arm, group, 'first')}/restart`, apiVersions.compute)
    expect((await installation.inGuest('first', 'sudo cat /root/marker')).stdout.trim()).toBe(marker)
  })
})

async function osDiskId(): Promise<string> {
  const vm = await get<{ properties: { storageProfile: { osDisk: { managedDisk: { id: string } } } } }>(source.id)
  return vm.properties.storageProfile.osDisk.managedDisk.id
}
