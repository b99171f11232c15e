import type { Plane } from '../../../../plane.ts'
import type { Db, Resource } from '../../../../store/resources.ts'
import { vmType, type Vm } from '../vm-model.ts'

export const runCommandType: string = `${vmType}/runCommands`

export interface RunCommandInternal {
  /** Of the command at the host. */
  commandId: string
  vmId: string
}

/** The managed run commands of one VM. */
async function commandsOf(plane: Plane, vm: Vm, db: Db): Promise<Resource<RunCommandInternal>[]> {
  const all = await plane.resources.list<RunCommandInternal>({ type: runCommandType, groupId: vm.id }, db)
  return all.filter(({ key }) => key.startsWith(`${vm.key}/`))
}

/** A VM that goes takes its run commands along. */
export async function removeRunCommands(plane: Plane, tx: Db, vm: Vm): Promise<void> {
  for (const command of await commandsOf(plane, vm, tx)) await plane.resources.remove(tx, command.id)
}
