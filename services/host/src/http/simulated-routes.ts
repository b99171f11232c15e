import { isOrdinary } from '@strongroom/contract'
import { anyObject, object } from '@strongroom/contract/shape'
import { lowerCaseGuid } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { notFound } from '../records/errors.ts'
import { isVmId } from '../records/layout.ts'
import type { SimulatedBoots } from '../simulated/simulated-boots.ts'
import type { HttpApp } from './http-app.ts'
import { parseSpec } from './spec.ts'

interface VmPath {
  Params: { vmId: string }
}

/** `parseSpec` reports what is wrong with the specification. */
const bootOfSpec = object({ bootId: lowerCaseGuid, spec: anyObject })

/** Boots without a guest, for their evidence. */
export function simulatedRoutes(app: HttpApp, boots: SimulatedBoots): void {
  app.put<VmPath>('/simulated/:vmId/boot', async (request) => {
    const { bootId, spec } = read(bootOfSpec, request.body, { code: 'InvalidRequestContent', subject: 'The boot' })
    const parsed = parseSpec(spec, request.params.vmId)
    if (isOrdinary(parsed))
      throw new ServiceError({
        code: 'NotConfidential',
        status: 400,
        message: 'Only a confidential VM has boot evidence.',
        target: 'spec',
        expected: 'the specification of a confidential VM',
        found: parsed.name,
      })
    return await boots.boot(parsed, bootId)
  })
  app.get<VmPath>('/simulated/:vmId/evidence', async (request) => {
    const evidence = await boots.evidence(request.params.vmId.toUpperCase())
    if (evidence === undefined) throw notFound(request.params.vmId)
    return evidence
  })
  app.delete<VmPath>('/simulated/:vmId', async (request, reply) => {
    const vmId = request.params.vmId.toUpperCase()
    if (!isVmId(vmId)) throw notFound(request.params.vmId)
    await boots.remove(vmId)
    return await reply.code(204).send()
  })
}
