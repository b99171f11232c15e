import type { ResourceType } from '../../../types/resource-type.ts'
import { definitions } from './definitions.ts'
import { galleries } from './galleries.ts'
import { versions } from './versions.ts'

export const resourceTypes: readonly ResourceType[] = [galleries, definitions, versions]
