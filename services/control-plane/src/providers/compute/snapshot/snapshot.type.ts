import type { ResourceType } from '../../../types/resource-type.ts'
import { snapshots } from './snapshots.ts'

export const resourceTypes: readonly ResourceType[] = [snapshots]
