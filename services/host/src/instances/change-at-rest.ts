import type { VmFiles } from '../records/layout.ts'
import type { InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

/** What changes a VM's disk or guest state while it is off. */
export interface ChangeAtRest {
  services: HostServices
  record: InstanceRecord
  files: VmFiles
  /** Writes the record. */
  save(): Promise<void>
  step(name: string): void
  signal: AbortSignal
}
