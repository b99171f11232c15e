import type { ResourceType } from '../../../types/resource-type.ts'
import { managedImages } from './managed-images.ts'

export const resourceTypes: readonly ResourceType[] = [managedImages]
