import { ServiceError } from '@strongroom/platform'
import { ok, param, type ArmReply, type ArmRequest } from '../../../../arm/request.ts'
import { route, type Route } from '../../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../../types/plane.ts'
import { vmType, type Vm } from '../model/vm-model.ts'
import { vmOfAction } from '../model/vm-record.ts'
import { deliver, findCommand, isOnRecord, record, resultUnknown } from './delivery.ts'
import { actionResult, commandOf, readAction, refusedByGuest, runCommandType, shellCommand } from './run-command.ts'

const document: Record<string, string> = {
  $schema: 'http://schema.management.azure.com/schemas/2016-11-17/runcommands.json',
  id: shellCommand,
  osType: 'Linux',
  label: 'Executes a Linux shell script',
  description: 'Runs a shell script as root in the guest; a confidential VM runs it only where its owner signed it.',
}

/** `az vm run-command`: an action that waits for its result. */
export async function runCommand(plane: Plane, request: ArmRequest, vm: Vm): Promise<ArmReply> {
  const command = commandOf(vm, plane.newId().toLowerCase(), readAction(request.body))
  await record(plane, vm, command.id)
  await deliver(plane, vm, command)
  return later(request, `${vm.id}/runCommandResults/${command.id}`)
}

/** What there is to run, and what came of it. */
export function runCommandRoutes(plane: Plane): Route[] {
  const vm = `${groupPath}/providers/${vmType}/{name}`
  const catalog = `${subscriptionPath}/providers/Microsoft.Compute/locations/{location}/runCommands`
  return [
    route.get(catalog, 'Microsoft.Compute/locations/runCommands/read', async () => ok({ value: [document] })),
    route.get(`${catalog}/{command}`, 'Microsoft.Compute/locations/runCommands/read', async (request) => {
      if (param(request, 'command').toLowerCase() === shellCommand.toLowerCase())
        return ok({ ...document, script: [], parameters: [] })
      throw notFound(param(request, 'command'))
    }),
    route.get(
      `${vm}/runCommandResults/{command}`,
      `${runCommandType}/read`,
      async (request) => await result(plane, request),
    ),
  ]
}

const later = (request: ArmRequest, path: string): ArmReply => ({
  status: 202,
  headers: {
    location: `${request.origin}${path}?api-version=${request.query['api-version'] ?? ''}`,
    'retry-after': '1',
  },
})

/** The answer to an action's Location: 202 until the guest has answered. */
async function result(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const vm = await vmOfAction(plane, request)
  const id = param(request, 'command')
  const status = await findCommand(plane, vm.internal.vmId, id)
  if (status === undefined && !(await isOnRecord(plane, vm, id))) throw notFound(id)
  if (status === undefined || status.state === 'Unknown') throw resultUnknown(vm)
  if (status.state === 'Refused') throw refusedByGuest(vm, status.refused ?? 'it gave no reason')
  return status.state === 'Done' ? ok(actionResult(status)) : later(request, request.path)
}

const notFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'RunCommandNotFound',
    message: `There is no run command '${name.slice(0, 60)}': commands are dropped when the VM’s boot ends.`,
    remedy: `List them: az vm run-command list.`,
  })
