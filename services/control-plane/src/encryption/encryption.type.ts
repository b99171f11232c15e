import type { ResourceType } from '../types/resource-type.ts'
import { diskEncryptionSets } from './set-routes.ts'

export const resourceTypes: readonly ResourceType[] = [diskEncryptionSets]
