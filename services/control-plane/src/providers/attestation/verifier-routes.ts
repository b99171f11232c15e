import { ServiceError, type AttestationVerifier } from '@strongroom/platform'
import { ok, param } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'
import { verifierId, verifierType } from '../../types/references.ts'

const base = `${subscriptionPath}/providers/${verifierType}`

/** Attestation providers of other origins. They come from the operator's configuration, so they are shown here but not created. */
export function verifierRoutes(plane: Plane): Route[] {
  return [
    route.get(base, `${verifierType}/read`, async () =>
      ok({ value: plane.verifiers.map((each) => verifierView(plane, each)) }),
    ),
    route.get(`${base}/{name}`, `${verifierType}/read`, async (request) => {
      const name = param(request, 'name').toLowerCase()
      const found = plane.verifiers.find((each) => each.name === name)
      if (found !== undefined) return ok(verifierView(plane, found))
      throw new ServiceError({
        code: 'ResourceNotFound',
        status: 404,
        message: `This installation’s operator has not named an attestation provider '${name.slice(0, 80)}' of another origin.`,
        expected: plane.verifiers.map((each) => each.name).join(', ') || 'none: there are no such providers',
        found: name.slice(0, 80),
      })
    }),
  ]
}

function verifierView(plane: Plane, verifier: AttestationVerifier): Record<string, unknown> {
  const { name, issuer, keys } = verifier
  return {
    id: verifierId(plane, verifier),
    name,
    type: verifierType,
    properties: { issuer, attestUri: issuer, keysUri: keys },
  }
}
