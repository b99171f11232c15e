import type { InstanceRecord } from './record.ts'

/** What a VM's record has once the VM is made. */
export interface Provisioned {
  /** Absent if no report binds the vTPM: VMs that are not confidential. */
  identity?: NonNullable<InstanceRecord['identity']>
  sealedTo: InstanceRecord['sealedTo']
  volume: InstanceRecord['volume']
  wrappedBy: InstanceRecord['wrappedBy']
}
