import { isDeepStrictEqual } from 'node:util'
import type { CommandRequest } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../../../arm/fields.ts'
import type { ArmReply, ArmRequest } from '../../../../arm/request.ts'
import type { Plane } from '../../../../types/plane.ts'
import type { NewResource, ResourceBody } from '../../../../store/resources.ts'
import { changedMeanwhile } from '../../../../types/conflicts.ts'
import { members, only } from '../../../../types/members.ts'
import type { ResourceType } from '../../../../types/resource-type.ts'
import type { Vm } from '../model/vm-model.ts'
import { vmOfAction } from '../model/vm-record.ts'
import { deliver } from './delivery.ts'
import { show, statusOf } from './managed-view.ts'
import { commandOf, readManaged, runCommandType, type RunCommand, type RunCommandInternal } from './run-command.ts'

type NewRow = NewResource<RunCommandInternal> & { internal: RunCommandInternal }

/** Managed run commands, which are nested resources of their VM. */
export const runCommands: ResourceType<RunCommandInternal> = {
  spelling: runCommandType,
  members: members(
    {},
    {
      source: { script: 'honoured', commandId: 'honoured', scriptUri: 'honoured' },
      parameters: { name: 'honoured', value: 'honoured' },
      asyncExecution: 'honoured',
      timeoutInSeconds: 'honoured',
      treatFailureAsDeploymentFailure: only(false),
      // The reader refuses these.
      protectedParameters: 'honoured',
      runAsUser: 'honoured',
      runAsPassword: 'honoured',
      outputBlobUri: 'honoured',
      errorBlobUri: 'honoured',
      instanceView: 'shown',
    },
  ),
  view: async (plane, command, request) =>
    await show(plane, command, (request.query['$expand'] ?? '').toLowerCase() === 'instanceview'),
  create: async (plane, request) => await write(plane, request, undefined),
  change: write,
}

async function write(plane: Plane, request: ArmRequest, existing: RunCommand | undefined): Promise<ArmReply> {
  const vm = await vmOfAction(plane, request)
  const { body, command } = readWrite(plane, request, vm)
  // Clients repeat a PUT that had no answer: what was asked for before is not run once more.
  if (existing !== undefined && (await mayHaveRun(plane, vm, existing, body)))
    return { status: 200, body: await show(plane, await retagged(plane, existing, body), false) }
  const internal: RunCommandInternal = { commandId: command.id, vmId: vm.internal.vmId }
  const made = await keep(plane, { id: request.path, location: vm.location, body, internal }, existing)
  try {
    await deliver(plane, vm, command)
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'RunCommandResultUnknown')
      await takeBack(plane, made, existing)
    throw error
  }
  return { status: existing === undefined ? 201 : 200, body: await show(plane, made, false) }
}

function readWrite(plane: Plane, request: ArmRequest, vm: Vm): { body: ResourceBody; command: CommandRequest } {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const read = readManaged(properties)
  const asyncExecution = properties.flag('asyncExecution') ?? false
  const tags = fields.textMap('tags')
  fields.assertSound()
  const command = commandOf(vm, plane.newId().toLowerCase(), read)
  const { script, parameters, timeoutSeconds } = command
  const shown = { source: { script }, parameters, asyncExecution, timeoutInSeconds: timeoutSeconds }
  return {
    command,
    body: {
      properties: { ...shown, treatFailureAsDeploymentFailure: false },
      ...(tags !== undefined && { tags }),
    },
  }
}

/** Whether this is what was asked for before, in this VM, and the guest did not refuse it. */
async function mayHaveRun(plane: Plane, vm: Vm, existing: RunCommand, body: ResourceBody): Promise<boolean> {
  if (existing.internal.vmId !== vm.internal.vmId) return false
  if (!isDeepStrictEqual(existing.body.properties, body.properties)) return false
  return (await statusOf(plane, existing))?.state !== 'Refused'
}

async function retagged(plane: Plane, existing: RunCommand, body: ResourceBody): Promise<RunCommand> {
  if (isDeepStrictEqual(existing.body, body)) return existing
  const changed = await plane.resources.update<RunCommandInternal>(existing.id, (command) => void (command.body = body))
  return changed ?? existing
}

/** On record before the host gets it, and by one request only. @throws ServiceError Conflict */
async function keep(plane: Plane, row: NewRow, before: RunCommand | undefined): Promise<RunCommand> {
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, row.id)
    const current = await plane.resources.lock<RunCommandInternal>(tx, row.id)
    if (current?.internal.commandId !== before?.internal.commandId) throw changedMeanwhile(row.id)
    const changed = await plane.resources.change<RunCommandInternal>(tx, row.id, (command) => {
      command.body = row.body
      command.internal = row.internal
    })
    return changed ?? (await plane.resources.insert(tx, row))
  })
}

/** The host did not take it: nothing ran. */
async function takeBack(plane: Plane, made: RunCommand, before: RunCommand | undefined): Promise<void> {
  await plane.resources.transaction(async (tx) => {
    const current = await plane.resources.lock<RunCommandInternal>(tx, made.id)
    if (current?.internal.commandId !== made.internal.commandId) return
    if (before === undefined) return await plane.resources.remove(tx, made.id)
    await plane.resources.change<RunCommandInternal>(tx, made.id, (command) => {
      command.body = before.body
      command.internal = before.internal
    })
  })
}
