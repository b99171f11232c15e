import { cpuModels, type GuestInterface } from '@strongroom/contract'
import type { Machine } from '@strongroom/evidence/expected'
import type { Acceleration } from './arguments.ts'

/** The parts of a machine that affect its ACPI tables: not the disks behind a controller, and no backends. */
export interface MachineShape {
  acceleration: Acceleration
  cpuModel: string
  vCPUs: number
  memoryMiB: number
  interfaces?: GuestInterface[]
}

/** What the machine's tables, and with them PCR 1 of its boots, are computed from. */
export const machineOf = (o: Omit<MachineShape, 'acceleration'>): Machine => ({
  technology: o.cpuModel === cpuModels.SNP ? 'SNP' : 'TDX',
  vCPUs: o.vCPUs,
  memoryMiB: o.memoryMiB,
  interfaces: 1 + (o.interfaces?.length ?? 0),
})
