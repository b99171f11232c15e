import type { ResourceType } from '../types/resource-type.ts'
import { disks } from './disks.ts'
import { runCommands } from './run-command-routes.ts'
import { virtualMachines } from './vm-routes.ts'

export const resourceTypes: readonly ResourceType[] = [virtualMachines, runCommands, disks]
