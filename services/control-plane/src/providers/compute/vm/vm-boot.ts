import { setTimeout as sleep } from 'node:timers/promises'
import type { ArmOperationStep, ErrorDetail, InstanceStatus, StepTiming } from '@strongroom/contract'
import { ServiceError, type StepContext } from '@strongroom/platform'
import { fromDetail } from '../../../host/host-error.ts'
import type { Plane } from '../../../types/plane.ts'

/** How long the host may be unreachable before an operation gives up. A restart of the host takes less. */
const silenceMs = 60_000
/** How long a VM may be off before it is started again: during a restart it briefly is. */
const standstillMs = 3_000

const asStep = (timing: StepTiming, failed: boolean): ArmOperationStep => ({
  ...timing,
  state: timing.endedAt !== undefined ? 'Done' : failed ? 'Failed' : 'Running',
})

/** The host's steps of this operation, without those of an earlier boot. */
function hostSteps(status: InstanceStatus, since: string): ArmOperationStep[] {
  const provisioning = status.provisioning.steps.map((step) => asStep(step, status.provisioning.state === 'Failed'))
  const power = status.power.steps.map((step) => asStep(step, status.power.state === 'Failed'))
  return [...provisioning, ...power].filter((step) => step.startedAt !== undefined && step.startedAt >= since)
}

/**
 * Polls an instance until `settled` returns a result, storing the host's steps with the operation meanwhile.
 * @throws ServiceError InstanceLost if the host no longer has it, or the host's last error after a minute without
 * answers
 */
export async function followInstance<T>(
  plane: Plane,
  c: StepContext<unknown>,
  o: { vmId: string; settled(status: InstanceStatus): T | undefined | Promise<T | undefined> },
): Promise<T> {
  const started = (await plane.runner.get(c.operationId))?.startedAt ?? plane.clock.now().toISOString()
  let heardAt = plane.clock.now().getTime()
  let written = ''
  for (;;) {
    c.signal.throwIfAborted()
    const status = await plane.host.find(o.vmId).then(
      (found) => {
        heardAt = plane.clock.now().getTime()
        return { found }
      },
      (error: unknown) => {
        if (plane.clock.now().getTime() - heardAt > silenceMs) throw error
        return undefined
      },
    )
    if (status !== undefined) {
      if (status.found === undefined) throw lost(o.vmId)
      const steps = hostSteps(status.found, started)
      const text = JSON.stringify(steps)
      if (text !== written) await plane.notes.writeSteps(c.operationId, steps)
      written = text
      const result = await o.settled(status.found)
      if (result !== undefined) return result
    }
    await sleep(plane.pollMs, undefined, { signal: c.signal })
  }
}

function lost(vmId: string): ServiceError {
  return new ServiceError({
    code: 'InstanceLost',
    message: `The host has no instance ${vmId}.`,
    remedy: 'Delete the virtual machine and create it again.',
  })
}

/**
 * Waits until the guest reports ready, and starts it if it is off: a restarted host forgets what ran. @throws
 * ServiceError with the host's reason if the VM does not get there
 */
export async function bootUntilReady(
  plane: Plane,
  c: StepContext<unknown>,
  o: { vmId: string; startFirst: boolean },
): Promise<void> {
  let stoppedSince: number | undefined
  let mayStart = true
  const startOnce = async (): Promise<void> => {
    mayStart = false
    await plane.host.start(o.vmId)
  }
  if (o.startFirst) await startOnce()
  await followInstance(plane, c, {
    vmId: o.vmId,
    async settled(status) {
      const { state, error } = status.power
      if (state === 'Ready') return true
      if (state === 'Failed') {
        if (!mayStart) throw fromDetail(error ?? { code: 'BootFailed', message: 'The VM did not start.' })
        await startOnce()
        return undefined
      }
      if (state !== 'Stopped') {
        stoppedSince = undefined
        return undefined
      }
      const now = plane.clock.now().getTime()
      stoppedSince ??= now
      if (now - stoppedSince < standstillMs) return undefined
      if (!mayStart) throw fromDetail(error ?? stoppedEarly)
      stoppedSince = undefined
      await startOnce()
      return undefined
    },
  })
}

const stoppedEarly: ErrorDetail = {
  code: 'VmStopped',
  message: 'The VM stopped before its guest was ready.',
  innererror: { remedy: 'Start it again, and check its serial log.' },
}

/** Until none of its processes runs. `assertLeftWhole` checks how it stopped. */
export async function waitUntilStopped(plane: Plane, c: StepContext<unknown>, vmId: string): Promise<void> {
  await followInstance(plane, c, {
    vmId,
    settled: (status) => (status.power.state === 'Stopped' || status.power.state === 'Failed' ? true : undefined),
  })
}

/** @throws ServiceError with the host's reason if a stopped VM's state was not written correctly */
export async function assertLeftWhole(plane: Plane, vmId: string): Promise<void> {
  const power = (await plane.host.find(vmId))?.power
  if (power?.state === 'Failed' && power.error !== undefined) throw fromDetail(power.error)
}
