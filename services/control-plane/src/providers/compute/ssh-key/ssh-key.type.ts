import type { ResourceType } from '../../../types/resource-type.ts'
import { sshPublicKeys } from './ssh-keys.ts'

export const resourceTypes: readonly ResourceType[] = [sshPublicKeys]
