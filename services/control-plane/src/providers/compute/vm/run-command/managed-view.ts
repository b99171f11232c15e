import type { CommandStatus } from '@strongroom/contract'
import { resourceView } from '../../../../arm/resource-view.ts'
import type { Plane } from '../../../../types/plane.ts'
import { findCommand, unknownResult } from './delivery.ts'
import { runCommandType, type RunCommand, type RunCommandInternal } from './run-command.ts'

export async function show(plane: Plane, command: RunCommand, expand: boolean): Promise<Record<string, unknown>> {
  const status = await statusOf(plane, command)
  const properties = { ...command.body.properties, provisioningState: stateOf(command, status) }
  return {
    ...resourceView(command, runCommandType),
    properties: { ...properties, ...(expand && { instanceView: instanceView(status) }) },
  }
}

/** Undefined if its boot ended before its result was seen. */
export async function statusOf(plane: Plane, command: RunCommand): Promise<CommandStatus | undefined> {
  const { vmId, commandId, ended } = command.internal
  const status = await findCommand(plane, vmId, commandId)
  if (ended !== undefined || (status?.state !== 'Done' && status?.state !== 'Refused')) return status ?? ended
  const { stdout: _out, stderr: _err, ...kept } = status
  await plane.resources.update<RunCommandInternal>(command.id, ({ internal }) => {
    if (internal.commandId === commandId) internal.ended = kept
  })
  return status
}

/** A command that does not wait is complete once the guest may fetch it. */
function stateOf(command: RunCommand, status: CommandStatus | undefined): string {
  const waits = command.body.properties['asyncExecution'] !== true
  const state = status?.state ?? 'Unknown'
  if (waits && (state === 'Pending' || state === 'Running')) return 'Creating'
  return state === 'Refused' || (waits && state === 'Unknown') ? 'Failed' : 'Succeeded'
}

function instanceView(status: CommandStatus | undefined): Record<string, unknown> {
  if (status === undefined || status.state === 'Unknown')
    return { executionState: 'Unknown', executionMessage: unknownResult }
  const states: Record<Exclude<CommandStatus['state'], 'Unknown'>, string> = {
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
