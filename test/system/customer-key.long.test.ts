import { readFile } from 'node:fs/promises'
import type { ErrorDetail } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Customer, type MadeSet } from './support/customer-keys.ts'
import { TestInstallation } from './support/installation.ts'
import { guestStateFile, openArm, readEvidence, type VmView } from './support/vm.ts'

/**
 * One booted VM whose guest state is under a customer's key, through that key's life: first in a vault, then, after a
 * rotation, in a managed HSM. The guest boots three times; refused starts end before the guest would be powered on.
 */
const installation = await TestInstallation.create()
const customer = new Customer(installation)
const name = 'mine'
const box = `${customer.vault}.vault.strongroom.internal`
const pool = `${customer.hsm}.managedhsm.strongroom.internal`
const wrapping = ['get', 'wrapkey', 'unwrapkey']
const releasing = ['get', 'release']

let vaultKey: string
let hsmKey: string
let set: MadeSet
let vm: VmView
let orchestrator: string

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  orchestrator = await customer.orchestrator()
  await customer.putVault()
  vaultKey = await customer.makeKey(box)
  set = await customer.makeSet(vaultKey)
})

afterAll(async () => await installation.remove())

interface Refused {
  error: ErrorDetail
}

interface TrustLink {
  id: string
  outcome: string
  shows: string[]
}

const about = (keyId: string): string => expect.stringContaining(keyId) as string

const refusal = async (...args: string[]): Promise<ErrorDetail> => {
  const outcome = await installation.cli(...args)
  expect(outcome.code, outcome.stdout).not.toBe(0)
  return (outcome.json as Refused).error
}

const create = (): Promise<VmView> => installation.must<VmView>('vm', 'create', name, '--disk-encryption-set', set.id)

const give = async (o: { set: string[]; orchestrator: string[] }): Promise<void> => {
  const list = [
    { objectId: set.identity.principalId, keys: o.set },
    { objectId: orchestrator, keys: o.orchestrator },
  ]
  await customer.putVault(list.filter(({ keys }) => keys.length > 0))
}

async function customerLink(): Promise<TrustLink> {
  const report = await installation.must<{ trusted: boolean; links: TrustLink[] }>('vm', 'trust', name)
  expect(report.trusted).toBe(true)
  const link = report.links.find(({ id }) => id === 'customer-key')
  if (link === undefined) throw new Error('the report says nothing of the customer’s key')
  return link
}

describe('a VM under a customer’s key', () => {
  it('is not made before the set’s identity may use the key', async () => {
    expect(await refusal('vm', 'create', name, '--disk-encryption-set', set.id)).toMatchObject({
      code: 'KeyVaultAccessForbidden',
      message: about(vaultKey),
    })
  })

  it('boots, and its trust report names the key and the vault that opened it', async () => {
    await give({ set: wrapping, orchestrator: releasing })
    vm = await create()
    const evidence = await readEvidence(installation, name)
    expect(evidence.customerRelease).toMatchObject({ diskEncryptionSet: set.id, keyId: vaultKey })
    const link = await customerLink()
    expect(link).toMatchObject({ outcome: 'verified' })
    expect(link.shows.join('\n')).toContain(`of ${box}`)
    expect(link.shows.join('\n')).toContain(set.id)
    expect((await readFile(await guestStateFile(installation, vm))).includes(vaultKey)).toBe(true)
    expect((await installation.inGuest(name, 'echo kept | sudo tee /root/canary')).code).toBe(0)
  })

  it('goes on while its key is disabled; it is not restarted, and its key is not changed under it', async () => {
    await customer.keys('PATCH', vaultKey, { attributes: { enabled: false } })
    expect((await installation.inGuest(name, 'true')).code).toBe(0)
    expect(await refusal('vm', 'restart', name)).toMatchObject({
      code: 'KeyVaultKeyNotEnabled',
      message: about(vaultKey),
      innererror: { expected: 'enabled', found: 'disabled', remedy: expect.stringContaining('Enable') as string },
    })
    expect((await installation.inGuest(name, 'sudo cat /root/canary')).stdout.trim()).toBe('kept')
    await customer.makeHsm()
    hsmKey = await customer.makeKey(pool)
    await customer.giveHsmRole(set.identity.principalId, '33413926-3206-4cdd-b39a-83574fe37a17', '/keys/disk')
    const change = await customer.arm('PATCH', set.id, { properties: { activeKey: { keyUrl: hsmKey } } })
    expect([change.status, (change.json as Refused).error.code]).toEqual([409, 'OperationNotAllowed'])
    expect((change.json as Refused).error.details).toMatchObject([{ target: vm.id }])
  })

  it('is not started while its key is disabled, expired or deleted, nor where the orchestrator may not release it', async () => {
    await installation.must('vm', 'deallocate', name)
    const start = (): Promise<ErrorDetail> => refusal('vm', 'start', name)
    expect(await start()).toMatchObject({ code: 'KeyVaultKeyNotEnabled', message: about(vaultKey) })
    const now = Math.floor(Date.now() / 1000)
    await customer.keys('PATCH', vaultKey, { attributes: { enabled: true, exp: now - 1 } })
    expect(await start()).toMatchObject({ code: 'KeyVaultKeyExpired', message: about(vaultKey) })
    await customer.keys('PATCH', vaultKey, { attributes: { exp: now + 86_400 } })
    await customer.keys('DELETE', `https://${box}/keys/disk`)
    expect(await start()).toMatchObject({ code: 'KeyVaultKeyNotFound', message: about(vaultKey) })
    await customer.keys('POST', `https://${box}/deletedkeys/disk/recover`)
    await give({ set: wrapping, orchestrator: [] })
    expect(await start()).toMatchObject({ code: 'KeyReleaseRefused', message: about(vaultKey) })
    await give({ set: wrapping, orchestrator: releasing })
  })

  it('starts again with its disk once the key is there', async () => {
    await installation.must('vm', 'start', name)
    expect((await installation.inGuest(name, 'sudo cat /root/canary')).stdout.trim()).toBe('kept')
    expect((await customerLink()).shows.join('\n')).toContain(`of ${box}`)
  })

  it('keeps its key where the new one is not released to it, and the set both', async () => {
    await installation.must('vm', 'deallocate', name)
    const arm = await openArm(installation)
    const rotate = { properties: { activeKey: { keyUrl: hsmKey } } }
    // The HSM's orchestrator has no right yet.
    await expect(arm.run('PATCH', set.id, '2023-04-02', rotate)).rejects.toMatchObject({
      code: 'DiskEncryptionSetRotationFailed',
    })
    expect((await customer.set()).properties).toMatchObject({
      provisioningState: 'Failed',
      activeKey: { keyUrl: hsmKey },
      previousKeys: [{ keyUrl: vaultKey }],
    })
    expect((await readFile(await guestStateFile(installation, vm))).includes(hsmKey)).toBe(false)
  })

  it('starts under a managed HSM’s key after the rotation, with the vault’s key disabled', async () => {
    await customer.giveHsmRole(orchestrator, '21dbd100-6940-42c2-9190-5d6cb909625c', '/keys/disk')
    const arm = await openArm(installation)
    await arm.run('PATCH', set.id, '2023-04-02', { properties: { activeKey: { keyUrl: hsmKey } } })
    expect((await customer.set()).properties).toMatchObject({ provisioningState: 'Succeeded', previousKeys: [] })
    await customer.keys('PATCH', vaultKey, { attributes: { enabled: false } })
    await installation.must('vm', 'start', name)
    expect((await installation.inGuest(name, 'sudo cat /root/canary')).stdout.trim()).toBe('kept')
    expect((await readEvidence(installation, name)).customerRelease).toMatchObject({ keyId: hsmKey })
    expect((await customerLink()).shows.join('\n')).toContain(`of ${pool}`)
  })

  it('keeps the set from being deleted, and lets it go with the VM', async () => {
    expect((await customer.arm('DELETE', set.id)).status).toBe(409)
    await installation.must('vm', 'delete', name, '--yes')
    expect((await customer.arm('DELETE', set.id)).status).toBe(200)
  })
})
