import { quotaDecision, subscriptionKind } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { faqRule } from '../../../arm/faq-rule.ts'
import { Fields } from '../../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../../types/plane.ts'
import type { QuotaRequest, Usage } from '../../../types/quota.ts'
import { findRegion } from '../../../arm/regions.ts'

/** More than any region has; Azure accepts 32 bits. */
const highest = 1_000_000

const place = `${subscriptionPath}/providers/Microsoft.Compute/locations/{location}/providers/Microsoft.Quota`
const operator = `${subscriptionPath}/providers/Strongroom.Quota`

/** Quotas as Microsoft.Quota shows them, requests for more, and the operator's decisions (S22). */
export function quotaRoutes(plane: Plane): Route[] {
  const put = async (request: ArmRequest): Promise<ArmReply> => await ask(plane, request)
  const decide =
    (grant: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      const { message } = read(quotaDecision, request.body ?? {}, { code: 'InvalidParameter', subject: 'The decision' })
      const o = { id: param(request, 'id'), grant, by: request.caller.objectId, ...(message && { message }) }
      return ok(requestView(plane, await plane.quotaRequests.decide(o)))
    }
  return [
    route.get(`${place}/quotas`, 'Microsoft.Quota/quotas/read', async (request) =>
      ok({ value: (await usages(plane, request)).map((one) => quotaView(request, one)) }),
    ),
    route.get(`${place}/quotas/{name}`, 'Microsoft.Quota/quotas/read', async (request) =>
      ok(quotaView(request, await usage(plane, request))),
    ),
    route.put(`${place}/quotas/{name}`, 'Microsoft.Quota/quotas/write', put),
    route.patch(`${place}/quotas/{name}`, 'Microsoft.Quota/quotas/write', put),
    route.get(`${place}/usages`, 'Microsoft.Quota/usages/read', async (request) =>
      ok({ value: (await usages(plane, request)).map((one) => usageView(request, one)) }),
    ),
    route.get(`${place}/usages/{name}`, 'Microsoft.Quota/usages/read', async (request) =>
      ok(usageView(request, await usage(plane, request))),
    ),
    route.get(`${place}/quotaRequests`, 'Microsoft.Quota/quotaRequests/read', async (request) => {
      const found = await plane.quotaRequests.list(regionOf(request))
      return ok({ value: found.map((one) => requestView(plane, one)) })
    }),
    route.get(`${place}/quotaRequests/{id}`, 'Microsoft.Quota/quotaRequests/read', async (request) => {
      regionOf(request)
      return ok(requestView(plane, await plane.quotaRequests.get(param(request, 'id'))))
    }),
    route.get(`${operator}/requests`, 'Strongroom.Quota/requests/read', async () =>
      ok({ value: (await plane.quotaRequests.list()).map((one) => requestView(plane, one)) }),
    ),
    route.post(`${operator}/requests/{id}/grant`, 'Strongroom.Quota/requests/grant/action', decide(true)),
    route.post(`${operator}/requests/{id}/deny`, 'Strongroom.Quota/requests/deny/action', decide(false)),
    route.get(`${operator}/subscriptionKind`, 'Strongroom.Quota/subscriptionKind/read', async () =>
      ok({ kind: await plane.quotas.kind() }),
    ),
    route.post(`${operator}/subscriptionKind`, 'Strongroom.Quota/subscriptionKind/set/action', async (request) => {
      const { kind } = read(subscriptionKind, request.body, { code: 'InvalidParameter', subject: 'The kind' })
      await plane.quotas.setKind(kind)
      return ok({ kind })
    }),
  ]
}

function regionOf(request: ArmRequest): string {
  const region = findRegion(param(request, 'location'))
  if (region !== undefined) return region.name
  throw new ServiceError({
    code: 'LocationNotAvailableForResourceType',
    message: `There is no location '${param(request, 'location').slice(0, 60)}'.`,
    target: 'location',
    found: param(request, 'location').slice(0, 60),
    remedy: 'Use a region of this installation: az account list-locations.',
    details: [faqRule('S24')],
  })
}

async function usages(plane: Plane, request: ArmRequest): Promise<Usage[]> {
  const region = regionOf(request)
  const vms = await plane.resources.list({ type: 'Microsoft.Compute/virtualMachines' })
  return await plane.quotas.usages(region, vms.filter((vm) => vm.location === region).length)
}

async function usage(plane: Plane, request: ArmRequest): Promise<Usage> {
  const name = param(request, 'name')
  const found = (await usages(plane, request)).find((one) => one.name.value.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  throw new ServiceError({
    code: 'QuotaNotFound',
    message: `There is no quota '${name.slice(0, 80)}' in ${regionOf(request)}.`,
    target: 'name',
    found: name.slice(0, 80),
    remedy: 'List the quotas of the region.',
  })
}

const base = (request: ArmRequest): string =>
  request.path.slice(0, request.path.lastIndexOf('/providers/Microsoft.Quota') + '/providers/Microsoft.Quota'.length)

const quotaView = (request: ArmRequest, { name, limit }: Usage): Record<string, unknown> => ({
  id: `${base(request)}/quotas/${name.value}`,
  name: name.value,
  type: 'Microsoft.Quota/Quotas',
  properties: {
    limit: { limitObjectType: 'LimitValue', limitType: 'Independent', value: limit },
    name,
    unit: 'Count',
    isQuotaApplicable: true,
    properties: {},
  },
})

const usageView = (request: ArmRequest, { name, currentValue }: Usage): Record<string, unknown> => ({
  id: `${base(request)}/usages/${name.value}`,
  name: name.value,
  type: 'Microsoft.Quota/Usages',
  properties: { usages: { value: currentValue }, name, unit: 'Count', isQuotaApplicable: true, properties: {} },
})

function requestView(plane: Plane, one: QuotaRequest): Record<string, unknown> {
  const provider = `/subscriptions/${plane.subscriptionId}/providers/Microsoft.Compute/locations/${one.region}/providers/Microsoft.Quota`
  return {
    id: `${provider}/quotaRequests/${one.id}`,
    name: one.id,
    type: 'Microsoft.Quota/quotaRequests',
    properties: {
      provisioningState: one.state,
      message: one.message,
      requestSubmitTime: one.asked_at,
      value: [
        {
          provisioningState: one.state,
          name: { value: one.name, localizedValue: one.name },
          unit: 'Count',
          limit: { limitObjectType: 'LimitValue', limitType: 'Independent', value: one.limit_value },
        },
      ],
      location: one.region,
      requestedBy: one.asked_by,
      ...(one.decided_at !== null && { decidedAt: one.decided_at, decidedBy: one.decided_by }),
    },
  }
}

/** The operator decides: the request is accepted, and stays InProgress until then. */
async function ask(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const { name } = await usage(plane, request)
  const fields = new Fields(request.body)
  const limit = fields.object('properties').object('limit')
  limit.oneOf('limitObjectType', ['LimitValue'])
  const value = limit.integer('value', 0, highest)
  if (value === undefined && !limit.has('value'))
    fields.missing('properties.limit.value', 'properties.limit.value', {
      expected: 'the requested limit',
      remedy: 'Send {"properties":{"limit":{"limitObjectType":"LimitValue","value":N}}}.',
    })
  fields.assertSound()
  const region = regionOf(request)
  const asked = await plane.quotaRequests.ask({
    region,
    name: name.value,
    limit: value ?? 0,
    by: request.caller.objectId,
  })
  const view = requestView(plane, asked)
  const version = request.query['api-version'] ?? ''
  return {
    status: 202,
    body: view,
    headers: { location: `${request.origin}${String(view['id'])}?api-version=${version}`, 'retry-after': '1' },
  }
}
