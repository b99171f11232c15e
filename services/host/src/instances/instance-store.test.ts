import type { BootEvidence } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { exampleSpec } from '../testing.ts'
import { InstanceStore } from './instance-store.ts'
import { newRecord } from './record.ts'

describeStores('store of VMs', (open) => {
  it('keeps a VM, its evidence through changes, and forgets it whole', async () => {
    const store = await InstanceStore.open(await open())
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
})
