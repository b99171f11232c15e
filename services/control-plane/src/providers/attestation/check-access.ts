import { principals } from '@strongroom/contract'
import { accessQuestion } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { ok } from '../../arm/request.ts'
import { route, signedIn, type Route } from '../../arm/router.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import { providerType } from './provider-view.ts'

const suffix = '/providers/Strongroom.Authorization/checkAccess'

/** Answers, only for the attestation service, whether somebody has a right at a provider (contract, `attestation-management.ts`). */
export function checkAccessRoutes(plane: Plane): Route[] {
  return [
    route.post(`${groupPath}/providers/${providerType}/{name}${suffix}`, signedIn, async (request) => {
      if (request.caller.appId !== principals.attestation.appId)
        throw new ServiceError({
          code: 'AuthorizationFailed',
          message: 'Only the attestation service may query the rights of others.',
          expected: principals.attestation.displayName,
          found: request.caller.appId,
        })
      const question = read(accessQuestion, request.body, { code: 'InvalidParameter', subject: 'The question' })
      const scope = request.path.slice(0, -suffix.length)
      // A provider whose resource is gone belongs to nobody.
      if ((await plane.resources.find(scope)) === undefined) return ok({ allowed: false })
      const allowed =
        /^Microsoft\.Attestation\/attestationProviders\/attestation\/(read|write|delete)$/.test(question.action) &&
        (await plane.access.allows(question.principalId, question.action, scope))
      return ok({ allowed })
    }),
  ]
}
