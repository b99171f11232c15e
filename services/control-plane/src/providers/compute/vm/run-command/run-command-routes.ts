import type { CommandStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../../arm/request.ts'
import { resourceView } from '../../../../arm/resource-view.ts'
import { route, type Route } from '../../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../../plane.ts'
import type { Resource } from '../../../../store/resources.ts'
import type { ResourceType } from '../../../../types/resource-type.ts'
import {
  actionResult,
  readAction,
  readManaged,
  refusedByGuest,
  shellCommand,
  submitScript,
  runCommandType,
  type RunCommandInternal,
} from './run-command.ts'
import { vmType, type Vm } from '../vm-model.ts'
import { vmOfAction } from '../vm-record.ts'

type RunCommand = Resource<RunCommandInternal>

const document: Record<string, string> = {
  $schema: 'http://schema.management.azure.com/schemas/2016-11-17/runcommands.json',
  id: shellCommand,
  osType: 'Linux',
  label: 'Executes a Linux shell script',
  description: 'Runs a shell script as root in the guest; a confidential VM runs it only where its owner signed it.',
}

/** Managed run commands, which are nested resources of their VM. */
export const runCommands: ResourceType<RunCommandInternal> = {
  spelling: runCommandType,
  view: async (plane, command, request) =>
    await show(plane, command, (request.query['$expand'] ?? '').toLowerCase() === 'instanceview'),
  create: async (plane, request) => await write(plane, request, undefined),
  change: write,
}

/** `az vm run-command`: an action that waits for its result. */
export async function runCommand(plane: Plane, request: ArmRequest, vm: Vm): Promise<ArmReply> {
  const { id } = await submitScript(plane, vm, plane.newId().toLowerCase(), readAction(request.body))
  return later(request, `${vm.id}/runCommandResults/${id}`)
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
  const status = await plane.host.findCommand(vm.internal.vmId, param(request, 'command'))
  if (status === undefined) throw notFound(param(request, 'command'))
  if (status.state === 'Refused') throw refusedByGuest(vm, status.refused ?? 'it gave no reason')
  return status.state === 'Done' ? ok(actionResult(status)) : later(request, request.path)
}

async function show(plane: Plane, command: RunCommand, expand: boolean): Promise<Record<string, unknown>> {
  const status = await plane.host.findCommand(command.internal.vmId, command.internal.commandId)
  const properties = { ...command.body.properties, provisioningState: stateOf(command, status) }
  return {
    ...resourceView(command, runCommandType),
    properties: { ...properties, ...(expand && { instanceView: instanceView(status) }) },
  }
}

async function write(plane: Plane, request: ArmRequest, existing: RunCommand | undefined): Promise<ArmReply> {
  const vm = await vmOfAction(plane, request)
  const command = await put(plane, request, vm, existing !== undefined)
  return { status: existing === undefined ? 201 : 200, body: await show(plane, command, false) }
}

async function put(plane: Plane, request: ArmRequest, vm: Vm, replaces: boolean): Promise<RunCommand> {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const read = readManaged(properties)
  const asyncExecution = properties.flag('asyncExecution') ?? false
  const tags = fields.textMap('tags')
  fields.assertSound()
  const internal: RunCommandInternal = { commandId: plane.newId().toLowerCase(), vmId: vm.internal.vmId }
  await submitScript(plane, vm, internal.commandId, read)
  const { script, parameters, timeoutSeconds } = read
  const body = {
    properties: {
      source: { script },
      parameters,
      asyncExecution,
      timeoutInSeconds: timeoutSeconds,
      treatFailureAsDeploymentFailure: false,
    },
    ...(tags !== undefined && { tags }),
  }
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    if (replaces) {
      const changed = await plane.resources.change<RunCommandInternal>(tx, request.path, (command) => {
        command.body = body
        command.internal = internal
      })
      if (changed !== undefined) return changed
    }
    return await plane.resources.insert(tx, { id: request.path, location: vm.location, body, internal })
  })
}

/** A command that does not wait is complete once the guest may fetch it. */
function stateOf(command: RunCommand, status: CommandStatus | undefined): string {
  const waits = command.body.properties['asyncExecution'] !== true
  if (waits && (status?.state === 'Pending' || status?.state === 'Running')) return 'Creating'
  return status?.state === 'Refused' ? 'Failed' : 'Succeeded'
}

function instanceView(status: CommandStatus | undefined): Record<string, unknown> {
  if (status === undefined)
    return { executionState: 'Unknown', executionMessage: 'The boot it was meant for has ended.' }
  const states: Record<CommandStatus['state'], string> = {
    Pending: 'Pending',
    Running: 'Running',
    Done: status.exitCode === 0 ? 'Succeeded' : 'Failed',
    Refused: 'Failed',
  }
  return {
    executionState: states[status.state],
    executionMessage: status.refused === undefined ? '' : `The guest did not run it: ${status.refused}.`,
    exitCode: status.exitCode ?? 0,
    output: status.stdout ?? '',
    error: status.stderr ?? '',
    ...(status.startedAt !== undefined && { startTime: status.startedAt }),
    ...(status.endedAt !== undefined && { endTime: status.endedAt }),
    statuses: [],
  }
}

const notFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'RunCommandNotFound',
    message: `There is no run command '${name.slice(0, 60)}': commands are dropped when the VM’s boot ends.`,
    remedy: `List them: az vm run-command list.`,
  })
