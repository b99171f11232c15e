import type { ResourceType } from '../../../../types/resource-type.ts'
import { runCommands } from './run-command-routes.ts'

export const resourceTypes: readonly ResourceType[] = [runCommands]
