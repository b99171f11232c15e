import type { ResourceType } from '../../../types/resource-type.ts'
import { restorePointCollections } from './collections.ts'
import { diskRestorePoints } from './disk-points.ts'
import { restorePoints } from './points.ts'

export const resourceTypes: readonly ResourceType[] = [restorePointCollections, restorePoints, diskRestorePoints]
