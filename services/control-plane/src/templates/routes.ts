import { ServiceError } from '@strongroom/platform'
import { listPage } from '../arm/list-page.ts'
import { asyncHeaders } from '../arm/operations.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { groupPath, subscriptionPath, type Plane } from '../types/plane.ts'
import { requireManagementGroup } from '../resources/management-groups.ts'
import { managementGroupPath } from '../resources/scopes.ts'
import type { Resource } from '../store/resources.ts'
import type { Shown } from '../arm/resource-view.ts'
import { deploymentProperties, preflight, type DeploymentInternal, type Deployments } from './deployments.ts'
import { prepare, readDeployment, type DeploymentInput, type Prepared } from './input.ts'
import { followLink } from './links.ts'
import type { ResourceOutcome } from './run.ts'
import { deploymentType, kindOf, openScope, type DeploymentScope } from './scope.ts'
import { TemplateError } from './template-error.ts'
import { templateFuel } from './template-fuel.ts'
import { whatIf } from './what-if.ts'

/** Where deployments can be created: each scope has the same routes. */
const scopes = [groupPath, subscriptionPath, managementGroupPath, '']
const nameForm = /^[A-Za-z0-9_().-]{0,63}[A-Za-z0-9_()-]$/

function view(deployment: Shown): Record<string, unknown> {
  const { id, name, location, body } = deployment
  return { id, name, type: deploymentType, ...(location !== '' && { location }), properties: body.properties }
}

/** Deployments of templates to every scope. */
export function deploymentRoutes(plane: Plane, deployments: Deployments): Route[] {
  return scopes.flatMap((scope) => routesOf(plane, deployments, scope))
}

function routesOf(plane: Plane, deployments: Deployments, at: string): Route[] {
  const base = `${at}/providers/${deploymentType}`
  const one = `${base}/{deployment}`
  const scopeIdOfRequest = (request: ArmRequest): string =>
    request.path.slice(0, request.path.toLowerCase().lastIndexOf(`/providers/${deploymentType.toLowerCase()}`))
  const requireScope = async (request: ArmRequest): Promise<string> => {
    const id = scopeIdOfRequest(request)
    if (kindOf(id) === 'resourceGroup') return (await plane.resources.requireGroup(id)).id
    if (kindOf(id) === 'managementGroup') requireManagementGroup(plane, id.split('/').at(-1) ?? '')
    return id
  }
  const read = async (
    request: ArmRequest,
  ): Promise<{ scope: DeploymentScope; input: DeploymentInput; prepared: Prepared }> => {
    const name = param(request, 'deployment')
    if (!nameForm.test(name)) throw invalidName(name)
    const id = await requireScope(request)
    const body = request.body as { properties?: unknown } | undefined
    const linked = await followLink(plane, {
      caller: request.caller,
      path: request.path,
      properties: body?.properties,
      beside: undefined,
    })
    const input = readDeployment({ name, kind: kindOf(id), linked }, request.body)
    const scope = await openScope(plane, id, input.location)
    const prepared = await prepare(plane, {
      scope,
      input,
      caller: request.caller,
      fuel: templateFuel(request.isAbandoned),
    })
    await preflight(plane, request.caller, prepared)
    return { scope, input, prepared }
  }
  const idOf = async (request: ArmRequest): Promise<string> =>
    `${await requireScope(request)}/providers/${deploymentType}/${param(request, 'deployment')}`
  const find = async (request: ArmRequest): Promise<Resource<DeploymentInternal>> => {
    const found = await plane.resources.find<DeploymentInternal>(await idOf(request))
    if (found !== undefined) return found
    throw new ServiceError({
      code: 'DeploymentNotFound',
      message: `Deployment '${param(request, 'deployment').slice(0, 64)}' could not be found.`,
    })
  }
  const put = async (request: ArmRequest): Promise<ArmReply> => {
    const wanted = await read(request)
    const { deployment, created, operation } = await deployments.begin(request, wanted)
    const where = { subscriptionId: plane.subscriptionId, location: wanted.scope.location, operationId: operation.id }
    return { status: created ? 201 : 200, body: view(deployment), headers: asyncHeaders(request, where) }
  }
  /** A template's faults are the result of validation, not a failure of it: az shows no error for a 4xx here. */
  const validate = async (request: ArmRequest): Promise<ArmReply> => {
    const found = await read(request).catch((error: unknown) => {
      if (error instanceof TemplateError) return error
      throw error
    })
    if (found instanceof TemplateError) return ok(found.toBody())
    const { scope, input, prepared } = found
    const properties = deploymentProperties(plane, { scope, input, prepared, correlationId: request.correlationId })
    return ok({
      id: `${scope.id}/providers/${deploymentType}/${input.name}`,
      name: input.name,
      type: deploymentType,
      ...(scope.group === undefined && { location: scope.location }),
      properties: {
        ...properties,
        provisioningState: 'Succeeded',
        validatedResources: prepared.resources.map(({ id }) => ({ id })),
      },
    })
  }
  const preview = async (request: ArmRequest): Promise<ArmReply> => {
    const wanted = await read(request)
    const settings = (request.body as { properties?: { whatIfSettings?: { resultFormat?: string } } }).properties
      ?.whatIfSettings
    const changes = await whatIf(plane, {
      ...wanted,
      caller: request.caller,
      idOnly: settings?.resultFormat?.toLowerCase() === 'resourceidonly',
    })
    return ok({ status: 'Succeeded', properties: { correlationId: request.correlationId, changes, diagnostics: [] } })
  }
  const action = `${deploymentType}`
  return [
    route.put(one, `${action}/write`, put),
    route.get(base, `${action}/read`, async (request) => {
      const id = await requireScope(request)
      const prefix = keyOf(`${id}/providers/${deploymentType}/`)
      return await listPage(plane, request, {
        type: deploymentType,
        ...(kindOf(id) === 'resourceGroup' && { groupId: id }),
        keep: ({ key }) => key.startsWith(prefix),
        view,
      })
    }),
    route.get(one, `${action}/read`, async (request) => ok(view(await find(request)))),
    route.head(one, `${action}/read`, async (request) => ({
      status: (await plane.resources.find(await idOf(request))) === undefined ? 404 : 204,
    })),
    route.delete(one, `${action}/delete`, async (request) => {
      const found = await plane.resources.find(await idOf(request))
      if (found === undefined) return { status: 204 }
      if (found.body.properties['provisioningState'] === 'Running') throw stillRuns(found)
      // The record is deleted; what it deployed stays.
      await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, found.id))
      return { status: 204 }
    }),
    route.post(`${one}/validate`, `${action}/validate/action`, validate),
    route.post(`${one}/whatIf`, `${action}/whatIf/action`, preview),
    route.post(`${one}/cancel`, `${action}/cancel/action`, async (request) => {
      const deployment = await find(request)
      const running = (await plane.outer.listFor(deployment.key)).find(({ endedAt }) => endedAt === undefined)
      if (running !== undefined && (await plane.outer.cancel(running.id))) return { status: 204 }
      throw new ServiceError({
        code: 'DeploymentCannotBeCancelled',
        message: `The deployment '${deployment.name}' cannot be cancelled because it is not running.`,
        found: String(deployment.body.properties['provisioningState']),
      })
    }),
    route.post(`${one}/exportTemplate`, `${action}/exportTemplate/action`, async (request) =>
      ok({ template: (await find(request)).internal.template }),
    ),
    // az uses the path from before resource providers.
    ...[`${one}/operations`, ...(at === '' ? [] : [`${at}/deployments/{deployment}/operations`])].map((path): Route =>
      route.get(path, `${action}/operations/read`, async (request) => {
        const deployment = await find(request)
        const { outcomes } = deployment.internal
        return ok({ value: outcomes.map((outcome, index) => operationView(deployment.id, outcome, index)) })
      }),
    ),
  ]
}

function operationView(id: string, outcome: ResourceOutcome, index: number): Record<string, unknown> {
  const operationId = String(index + 1).padStart(16, '0')
  return {
    id: `${id}/operations/${operationId}`,
    operationId,
    properties: {
      provisioningOperation: 'Create',
      provisioningState: outcome.state,
      timestamp: outcome.endedAt ?? outcome.startedAt,
      statusCode: outcome.statusCode === 0 ? 'Accepted' : String(outcome.statusCode),
      ...(outcome.error !== undefined && { statusMessage: { status: 'Failed', error: outcome.error } }),
      targetResource: { id: outcome.id, resourceType: outcome.type, resourceName: outcome.name },
    },
  }
}

const stillRuns = (deployment: Resource): ServiceError =>
  new ServiceError({
    code: 'DeploymentActive',
    message: `The deployment '${deployment.name}' is still active.`,
    remedy: 'Cancel it, or wait until it ends.',
  })

const invalidName = (name: string): ServiceError =>
  new ServiceError({
    code: 'InvalidDeploymentName',
    message:
      `The deployment name '${name.slice(0, 80)}' is invalid: 1 to 64 letters, digits, '_', '-', '.', '(' and ')', ` +
      "not ending with '.'.",
    target: 'name',
    found: name.slice(0, 80),
  })
