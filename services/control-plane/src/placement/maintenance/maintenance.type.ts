import type { ResourceType } from '../../types/resource-type.ts'
import { maintenanceConfigurations } from './configurations.ts'

export const resourceTypes: readonly ResourceType[] = [maintenanceConfigurations]
