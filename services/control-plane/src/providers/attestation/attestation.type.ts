import type { ResourceType } from '../../types/resource-type.ts'
import { attestationProviders } from './provider-routes.ts'

export const resourceTypes: readonly ResourceType[] = [attestationProviders]
