import { quoteChallenge } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Vm } from './model/vm-model.ts'

/**
 * The running guest's answer to a verifier's challenge, and the key service's, which only the verifier judges
 * (docs/design/0025-who-answers-now.md).
 */
export async function retrieveFreshQuote(plane: Plane, request: ArmRequest, vm: Vm): Promise<ArmReply> {
  const challenge = read(quoteChallenge, request.body, { code: 'InvalidRequestContent', subject: 'The challenge' })
  const { vmId, keyId } = vm.internal
  const { power } = (await plane.host.find(vmId)) ?? {}
  if (power?.state === 'Ready') {
    const [quote, latestLaunch] = await Promise.all([
      plane.host.freshQuote(vmId, challenge),
      keyId === undefined ? undefined : plane.keys.latestLaunch(keyId, challenge),
    ])
    return ok({ ...quote, ...(latestLaunch !== undefined && { latestLaunch }) })
  }
  throw new ServiceError({
    code: 'VmNotReady',
    message: `The VM '${vm.name}' does not run, so no guest can answer.`,
    target: vm.id,
    expected: 'a VM that is running',
    found: power?.state ?? 'no instance',
    remedy: 'Start the VM and wait until it is ready.',
  })
}
