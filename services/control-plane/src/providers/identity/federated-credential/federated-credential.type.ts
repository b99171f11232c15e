import type { ResourceType } from '../../../types/resource-type.ts'
import { federatedCredentials } from './federated-credentials.ts'

export const resourceTypes: readonly ResourceType[] = [federatedCredentials]
