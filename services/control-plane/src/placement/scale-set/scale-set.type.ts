import type { ResourceType } from '../../types/resource-type.ts'
import { scaleSets } from './scale-sets.ts'

export const resourceTypes: readonly ResourceType[] = [scaleSets]
