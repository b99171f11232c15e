import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Plane } from '../../../../types/plane.ts'
import type { Vm } from '../model/vm-model.ts'

/**
 * Hands a script to the VM's host, once: it is on record before, and nothing sends it again. Clients repeat a request that
 * is answered with 503 or 504, so a host that does not answer leaves the result unknown.
 * @throws ServiceError RunCommandResultUnknown; the host's error if it refused, and so did not run it
 */
export async function deliver(plane: Plane, vm: Vm, request: CommandRequest): Promise<void> {
  const { vmId } = vm.internal
  const { power } = (await plane.host.find(vmId)) ?? {}
  if (power?.state !== 'Ready') throw notRunning(vm, power?.state ?? 'no instance')
  try {
    await plane.host.command(vmId, request)
  } catch (error) {
    throw error instanceof ServiceError && error.status < 500 ? error : resultUnknown(vm, error)
  }
}

/** The host's status of a command; undefined once the boot that it was for has ended. */
export async function findCommand(plane: Plane, vmId: string, id: string): Promise<CommandStatus | undefined> {
  return await plane.host.findCommand(vmId, id).catch(async (error: unknown) => {
    if ((await plane.host.find(vmId))?.power.state === 'Ready') throw error
    return undefined
  })
}

const stepOf = (vmId: string): string => `script for ${vmId}`

/** Puts on record that a command will be handed over, so that its result is unknown later, and not a command that never was. */
export async function record(plane: Plane, vm: Vm, id: string): Promise<void> {
  await plane.notes.writeSteps(id, [{ name: stepOf(vm.internal.vmId), state: 'Running' }])
}

export const isOnRecord = async (plane: Plane, vm: Vm, id: string): Promise<boolean> =>
  (await plane.notes.read(id)).steps.some(({ name }) => name === stepOf(vm.internal.vmId))

/** In a managed run command, and in an error. */
export const unknownResult =
  'The VM stopped while the script ran: it may have run in whole, in part or not at all. It does not run again; ' +
  'look into the VM, then sign a new script.'

export const resultUnknown = (vm: Vm, cause?: unknown): ServiceError =>
  new ServiceError({
    code: 'RunCommandResultUnknown',
    message:
      cause === undefined
        ? unknownResult
        : 'The VM’s host did not answer when it got the script: it may have run in whole, in part or not at all. It ' +
          'is not sent again; look into the VM, then send a new script.',
    target: vm.id,
    expected: 'a result from the guest in the boot that got the script',
    found: 'none',
    remedy: `Look into the VM, then run a new script: strongroom vm run-command ${vm.name} SCRIPT.`,
    ...(cause !== undefined && { cause }),
  })

const notRunning = (vm: Vm, found: string): ServiceError =>
  new ServiceError({
    code: 'VmNotReady',
    message: `The guest of '${vm.name}' is not running, so no script can run in it.`,
    target: vm.id,
    expected: 'Ready',
    found,
    remedy: `Start the VM and wait until it is ready: strongroom vm start ${vm.name}.`,
  })
