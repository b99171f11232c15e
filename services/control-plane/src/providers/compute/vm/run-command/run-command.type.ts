import type { ResourceType } from '../../../../types/resource-type.ts'
import { runCommands } from './managed-commands.ts'

export const resourceTypes: readonly ResourceType[] = [runCommands]
