import { ServiceError } from '@strongroom/platform'
import { faqRule } from '../../../../arm/faq-rule.ts'
import { ok, type ArmRequest } from '../../../../arm/request.ts'
import { route, type Route } from '../../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../../types/plane.ts'
import { vmType } from '../model/vm-model.ts'
import { vmOfAction } from '../model/vm-record.ts'

/**
 * Publishers of the extensions that az and its users name. `az vm extension image list` and `az vm extension set`
 * without a version ask for the extensions of publishers in this list only, and report nothing found otherwise.
 */
export const extensionPublishers: readonly string[] = [
  'Microsoft.Azure.ActiveDirectory',
  'Microsoft.Azure.Extensions',
  'Microsoft.Azure.Monitor',
  'Microsoft.Azure.Security',
  'Microsoft.Azure.Security.LinuxAttestation',
  'Microsoft.OSTCExtensions',
]

/** There are no VM extensions: a VM has none, none can be added, and the marketplace has none. */
export function extensionRoutes(plane: Plane): Route[] {
  const one = `${groupPath}/providers/${vmType}/{name}/extensions/{extension}`
  const types =
    `${subscriptionPath}/providers/Microsoft.Compute/locations/{location}/publishers/{publisher}` +
    '/artifacttypes/vmextension/types'
  const refuse = async (request: ArmRequest): Promise<never> => {
    const vm = await vmOfAction(plane, request)
    throw refused(vm.id, `${vmType}/extensions/write`)
  }
  const marketAction = 'Microsoft.Compute/locations/publishers/read'
  const market = (path: string): Route =>
    route.get(path, marketAction, (request) => Promise.reject(refused(request.path, marketAction)))
  return [
    // Clients look before they leap.
    route.get(one.replace('/{extension}', ''), `${vmType}/read`, async (request) => {
      await vmOfAction(plane, request)
      return ok({ value: [] })
    }),
    route.get(one, `${vmType}/extensions/read`, async (request) => {
      await vmOfAction(plane, request)
      return ok(await plane.resources.get(request.path))
    }),
    route.put(one, `${vmType}/extensions/write`, refuse),
    route.patch(one, `${vmType}/extensions/write`, refuse),
    route.delete(one, `${vmType}/extensions/delete`, async (request) => {
      await vmOfAction(plane, request)
      return { status: 204 }
    }),
    market(types),
    market(`${types}/{type}/versions`),
    market(`${types}/{type}/versions/{version}`),
  ]
}

const refused = (target: string, action: string): ServiceError =>
  new ServiceError({
    code: 'VMExtensionsRefused',
    message: 'There are no VM extensions: they would run the operator’s code as root in the guest.',
    target,
    expected: 'a guest that only its owner can enter',
    found: action,
    remedy: 'Do it inside the guest over SSH, or at its first boot with --custom-data.',
    details: [faqRule('S25')],
  })
