import type { ErrorDetail, InstanceStatus } from '@strongroom/contract'
import type { Fault } from '@strongroom/contract/wires'
import { ServiceError, type Clock, type FaultSource } from '@strongroom/platform'
import { fromDetail } from '../host/host-error.ts'
import type { Host } from '../host/host.ts'
import { overlaid } from '../host/overlay.ts'

/** Shown for a VM instead of its own power state. */
interface Overlay {
  /** Milliseconds of the process's clock; afterwards the VM's own state is shown. */
  until: number
  power: InstanceStatus['power']
}

const usualStep = 'Attest'

/**
 * The host with the test API's faults: a boot that fails at a step never reaches the host, a slow one is shown as
 * booting for longer. Everything else is the host's.
 */
export function withFaults(host: Host, faults: FaultSource, clock: Clock): Host {
  const overlays = new Map<string, Overlay>()
  const now = (): string => clock.now().toISOString()

  const shown = (status: InstanceStatus): InstanceStatus => {
    const overlay = overlays.get(status.vmId)
    if (overlay !== undefined && performance.now() < overlay.until) return { ...status, power: overlay.power }
    overlays.delete(status.vmId)
    return status
  }
  const require = async (vmId: string): Promise<InstanceStatus> => {
    const status = await host.find(vmId)
    if (status !== undefined) return status
    throw new ServiceError({ code: 'InstanceNotFound', message: `There is no instance ${vmId}.` })
  }
  const fail = (vmId: string, fault: Fault): ErrorDetail => {
    const error = injected(fault)
    const step = { name: `${fault.step ?? usualStep} (injected failure)`, startedAt: now() }
    overlays.set(vmId, { until: Infinity, power: { state: 'Failed', since: now(), steps: [step], error } })
    return error
  }
  const slow = (vmId: string, resourceId: string): void => {
    const fault = faults.take('slow-operation', resourceId)
    const step = { name: 'slow operation (injected)', startedAt: now() }
    if (fault === undefined) overlays.delete(vmId)
    else
      overlays.set(vmId, {
        until: performance.now() + (fault.milliseconds ?? 5_000),
        power: { state: 'Booting', since: now(), steps: [step] },
      })
  }

  const own: Partial<Host> = {
    async find(vmId) {
      const status = await host.find(vmId)
      return status === undefined ? undefined : shown(status)
    },
    async start(vmId) {
      const status = await require(vmId)
      const fault = faults.take('boot-failure', status.spec.resourceId)
      if (fault !== undefined) {
        fail(vmId, fault)
        return shown(status)
      }
      slow(vmId, status.spec.resourceId)
      return shown(await host.start(vmId))
    },
    async restart(vmId) {
      const status = await require(vmId)
      const fault = faults.take('boot-failure', status.spec.resourceId)
      if (fault !== undefined) {
        await host.stop(vmId, false)
        throw fromDetail(fail(vmId, fault))
      }
      slow(vmId, status.spec.resourceId)
      return shown(await host.restart(vmId))
    },
    async stop(vmId, graceful) {
      overlays.delete(vmId)
      return await host.stop(vmId, graceful)
    },
    async remove(vmId) {
      overlays.delete(vmId)
      await host.remove(vmId)
    },
  }
  return overlaid(host, own)
}

const injected = (fault: Fault): ErrorDetail => ({
  code: 'InjectedBootFailure',
  message: `The boot failed at '${fault.step ?? usualStep}', as injected through the test API.`,
  target: 'power',
  innererror: {
    expected: 'a boot',
    found: `the injected fault ${fault.id}`,
    remedy: fault.once ? 'Start the VM again.' : 'Clear the fault (`strongroom test fault clear`), then start the VM.',
  },
})
