import type { ResourceType } from '../../../types/resource-type.ts'
import { availabilitySets } from './availability-sets.ts'

export const resourceTypes: readonly ResourceType[] = [availabilitySets]
