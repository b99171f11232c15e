import type { ResourceType } from '../types/resource-type.ts'
import { diskEncryptionSets } from './encryption-sets.ts'
import { virtualMachines } from './virtual-machines.ts'

export const resourceTypes: readonly ResourceType[] = [virtualMachines, diskEncryptionSets]
