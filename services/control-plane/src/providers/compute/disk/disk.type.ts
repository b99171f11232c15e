import type { ResourceType } from '../../../types/resource-type.ts'
import { disks } from './disks.ts'

export const resourceTypes: readonly ResourceType[] = [disks]
