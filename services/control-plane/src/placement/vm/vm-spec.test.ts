import { expect, it } from 'vitest'
import type { Vm, VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { settingsOf } from './vm-spec.ts'

const vmOf = (o: { encryption?: string; securityType?: string } & Pick<VmInternal, 'specialised'>): Vm => {
  const { encryption = 'DiskWithVMGuestState', securityType = 'ConfidentialVM', ...more } = o
  return { internal: { model: { encryption, securityType }, ...more } } as unknown as Vm
}

it('tells the host whose word a VM’s settings are: the request’s, or that of a specialised image’s disk', () => {
  expect(settingsOf(vmOf({}))).toEqual({ settings: 'Requested' })
  expect(settingsOf(vmOf({ encryption: 'VMGuestStateOnly' }))).toEqual({ settings: 'Requested' })
  expect(settingsOf(vmOf({ specialised: true }))).toEqual({ settings: 'OnDisk' })
})

it('tells nothing of a VM that keeps no guest state', () => {
  expect(settingsOf(vmOf({ encryption: 'NonPersistedTPM' }))).toEqual({})
  expect(settingsOf(vmOf({ securityType: 'TrustedLaunch' }))).toEqual({})
})
