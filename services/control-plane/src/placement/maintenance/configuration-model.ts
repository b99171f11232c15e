import { isOfType, type Resource } from '../../store/resources.ts'
import type { MaintenanceWindow } from './window.ts'

export const configurationType = 'Microsoft.Maintenance/maintenanceConfigurations'
export const assignmentType = 'Microsoft.Maintenance/configurationAssignments'

/** Undefined if it is none, or has no window. */
export const windowOf = (configuration: Resource | undefined): MaintenanceWindow | undefined =>
  isOfType(configuration, configurationType)
    ? (configuration.body.properties['maintenanceWindow'] as MaintenanceWindow | undefined)
    : undefined
