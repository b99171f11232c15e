import type { BootEvidence } from '@strongroom/contract'
import { createSealer } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { InstanceStore } from './instance-store.ts'
import { newRecord, toStatus } from './record.ts'

describeStores('store of VMs', (open) => {
  it('keeps a VM, its evidence through changes, and forgets it whole', async () => {
    const store = await InstanceStore.open(await open(), createSealer(new Uint8Array(32)))
    const record = newRecord(exampleSpec, new Date())
    await store.save(record)
    expect(await store.evidence(exampleSpec.vmId)).toBeUndefined()
    await store.saveEvidence(exampleSpec.vmId, { version: 1 } as BootEvidence)
    record.desired = 'running'
    await store.save(record)
    expect(await store.list()).toEqual([record])
    expect(await store.evidence(exampleSpec.vmId)).toEqual({ version: 1 })
    await store.remove(exampleSpec.vmId)
    expect(await store.list()).toEqual([])
    expect(await store.evidence(exampleSpec.vmId)).toBeUndefined()
  })

  it('seals the hash of a password, and tells nobody of it', async () => {
    const rows = await open()
    const store = await InstanceStore.open(rows, createSealer(new Uint8Array(32)))
    const osProfile = { ...exampleSpec.osProfile, passwordHash: '$y$j9T$salt$hash', passwordSha256: 'ab' }
    const record = newRecord({ ...exampleSpec, osProfile }, new Date())
    await store.save(record)
    const { record: text } = await rows.db.selectFrom('instance').select('record').executeTakeFirstOrThrow()
    expect(text).not.toContain('$y$')
    expect(await store.list()).toEqual([record])
    const told = toStatus(record).spec.osProfile
    expect([told.passwordHash, told.passwordSha256]).toEqual([undefined, 'ab'])
    await expect((await InstanceStore.open(rows, createSealer(new Uint8Array(32).fill(1)))).list()).rejects.toThrow()
    await store.remove(exampleSpec.vmId)
  })
})
