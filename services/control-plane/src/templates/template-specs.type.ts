import type { ResourceType } from '../types/resource-type.ts'
import { templateSpecs, templateSpecVersions } from './template-specs.ts'

export const resourceTypes: readonly ResourceType[] = [templateSpecs, templateSpecVersions]
