import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { apiVersions } from '../../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../../apps/cli/src/up/vm-request.ts'
import type { TestInstallation } from './installation.ts'
import { processesOf } from './processes.ts'
import { openArm } from './vm.ts'

interface RunningOperation {
  status: string
  properties: { steps: { name: string; state: string }[] }
}

/** Sends the request that begins an operation on a VM, and returns the operation's polling address. */
export async function begin(
  installation: TestInstallation,
  o: { vm: string; method: string; action?: string; body?: unknown },
): Promise<string> {
  const arm = await openArm(installation)
  const path = `${vmPath(arm, 'strongroom', o.vm)}${o.action ?? ''}`
  const answer = await arm.send(o.method, path, apiVersions.compute, o.body)
  const url = answer.headers['azure-asyncoperation']
  if (typeof url !== 'string') throw new Error(`no operation in ${JSON.stringify(answer.headers)}`)
  return url
}

/** Kills the server whenever the operation reaches a step at which it was not killed yet, and starts it again, until the operation ends. */
export async function killAtEachStep(
  installation: TestInstallation,
  url: string,
): Promise<{ killedAt: string[]; status: string }> {
  const killedAt: string[] = []
  const end = Date.now() + 540_000
  while (Date.now() < end) {
    const operation = (await (await openArm(installation)).sendUrl('GET', url)).json as RunningOperation
    if (operation.status !== 'InProgress') return { killedAt, status: operation.status }
    const step = operation.properties.steps.find((each) => each.state === 'Running' && !killedAt.includes(each.name))
    if (step !== undefined) {
      killedAt.push(step.name)
      await installation.kill()
      await expect.poll(async () => await processesOf(installation.stateDir), { timeout: 10_000 }).toEqual([])
      await installation.start()
    }
    await sleep(20)
  }
  throw new Error(`the operation did not end; killed at ${killedAt.join(', ')}`)
}
