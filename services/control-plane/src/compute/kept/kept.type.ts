import type { ResourceType } from '../../types/resource-type.ts'
import { managedImages } from './managed-images.ts'
import { snapshots } from './snapshots.ts'

export const resourceTypes: readonly ResourceType[] = [snapshots, managedImages]
