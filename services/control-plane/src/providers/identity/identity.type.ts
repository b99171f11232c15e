import type { ResourceType } from '../../types/resource-type.ts'
import { userIdentities } from './user-assigned.ts'

export const resourceTypes: readonly ResourceType[] = [userIdentities]
