import { ServiceError } from '@strongroom/platform'
import { ok, param, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { subscriptionPath, type Plane } from '../types/plane.ts'
import { offeredIn } from './providers.ts'

/** Azure's opt-in features that this installation has. */
const known: Record<string, string[]> = {
  'Microsoft.Compute': ['EncryptionAtHost', 'SecureBootPreview', 'NonPersistedTPM'],
}

/** Preview features: everything offered here is available to everybody, so each is registered from the start. */
export function featureRoutes(plane: Plane): Route[] {
  const features = `${subscriptionPath}/providers/Microsoft.Features`
  const within = `${features}/providers/{namespace}/features`
  const view = (namespace: string, name: string): Record<string, unknown> => ({
    id: `/subscriptions/${plane.subscriptionId}/providers/Microsoft.Features/providers/${namespace}/features/${name}`,
    name: `${namespace}/${name}`,
    type: 'Microsoft.Features/providers/features',
    properties: { state: 'Registered' },
  })
  const list = (namespaces: string[]): Record<string, unknown>[] =>
    namespaces.flatMap((namespace) => (known[namespace] ?? []).map((name) => view(namespace, name)))
  const spelled = (request: ArmRequest): string => {
    const asked = param(request, 'namespace')
    return Object.keys(known).find((each) => each.toLowerCase() === asked.toLowerCase()) ?? asked
  }
  const one = (request: ArmRequest): Record<string, unknown> => {
    const [namespace, feature] = [spelled(request), param(request, 'feature')]
    const name = (known[namespace] ?? []).find((each) => each.toLowerCase() === feature.toLowerCase())
    if (name !== undefined) return view(namespace, name)
    const offered = offeredIn(plane.types, namespace).length > 0
    throw new ServiceError({
      code: 'FeatureNotFound',
      message:
        `The feature '${feature.slice(0, 80)}' could not be found in '${namespace.slice(0, 80)}'. Everything this ` +
        'installation offers works without registration.',
      expected: offered ? (known[namespace] ?? []).join(', ') || 'no feature' : 'a namespace of this installation',
      found: feature.slice(0, 80),
      remedy: 'Skip the registration.',
    })
  }
  const read = 'Microsoft.Features/features/read'
  return [
    route.get(`${features}/features`, read, async () => ok({ value: list(Object.keys(known)) })),
    route.get(within, read, async (request) => ok({ value: list([spelled(request)]) })),
    route.get(`${within}/{feature}`, read, async (request) => ok(one(request))),
    route.post(
      `${within}/{feature}/register`,
      'Microsoft.Features/providers/features/register/action',
      async (request) => ok(one(request)),
    ),
    route.post(
      `${within}/{feature}/unregister`,
      'Microsoft.Features/providers/features/unregister/action',
      async (request) => {
        const { name } = one(request)
        throw new ServiceError({
          code: 'FeatureUnregistrationNotSupported',
          message: `The feature '${String(name)}' cannot be unregistered: it is not a preview here.`,
          expected: 'Registered',
          found: 'unregister',
          remedy: 'Leave the feature registered.',
        })
      },
    ),
  ]
}
