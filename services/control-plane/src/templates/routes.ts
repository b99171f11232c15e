import { ServiceError } from '@strongroom/platform'
import { asyncHeaders } from '../arm/operations.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import { groupPath, type Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'
import { deploymentProperties, deploymentType, preflight, type DeploymentInternal } from './deployments.ts'
import { prepare, readDeployment, type DeploymentInput, type Prepared } from './input.ts'
import type { ResourceOutcome } from './run.ts'
import { TemplateError } from './template-error.ts'
import { whatIf } from './what-if.ts'

const base = `${groupPath}/providers/${deploymentType}`
const one = `${base}/{deployment}`
const nameForm = /^[A-Za-z0-9_().-]{0,63}[A-Za-z0-9_()-]$/

const groupOf = (request: ArmRequest): string => request.path.split('/').slice(0, 5).join('/')

function view(deployment: Resource): Record<string, unknown> {
  return { id: deployment.id, name: deployment.name, type: deploymentType, properties: deployment.body.properties }
}

/** Deployments of templates to a resource group. */
export function deploymentRoutes(plane: Plane): Route[] {
  const read = async (
    request: ArmRequest,
  ): Promise<{ group: Resource; input: DeploymentInput; prepared: Prepared }> => {
    const name = param(request, 'deployment')
    if (!nameForm.test(name)) throw invalidName(name)
    const group = await plane.resources.requireGroup(request.path)
    const input = readDeployment(name, request.body)
    const prepared = await prepare(plane, group, input)
    await preflight(plane, request.caller, prepared)
    return { group, input, prepared }
  }
  const find = async (request: ArmRequest): Promise<Resource<DeploymentInternal>> => {
    const group = await plane.resources.requireGroup(request.path)
    const id = `${group.id}/providers/${deploymentType}/${param(request, 'deployment')}`
    const found = await plane.resources.find<DeploymentInternal>(id)
    if (found !== undefined) return found
    throw new ServiceError({
      code: 'DeploymentNotFound',
      status: 404,
      message: `Deployment '${param(request, 'deployment').slice(0, 64)}' could not be found.`,
    })
  }
  const put = async (request: ArmRequest): Promise<ArmReply> => {
    const wanted = await read(request)
    const { deployment, created, operation } = await plane.deployments.begin(request, wanted)
    const where = { subscriptionId: plane.subscriptionId, location: wanted.group.location, operationId: operation.id }
    return { status: created ? 201 : 200, body: view(deployment), headers: asyncHeaders(request, where) }
  }
  /** What is wrong with a template is the result of its validation, not a failure of it: az shows no error of a 4xx here. */
  const validate = async (request: ArmRequest): Promise<ArmReply> => {
    const found = await read(request).catch((error: unknown) => {
      if (error instanceof TemplateError) return error
      throw error
    })
    if (found instanceof TemplateError) return ok(found.toBody())
    const { group, input, prepared } = found
    const properties = deploymentProperties(plane, { group, input, prepared, correlationId: request.correlationId })
    return ok({
      id: `${group.id}/providers/${deploymentType}/${input.name}`,
      name: input.name,
      type: deploymentType,
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
      idOnly: settings?.resultFormat?.toLowerCase() === 'resourceidonly',
    })
    return ok({ status: 'Succeeded', properties: { correlationId: request.correlationId, changes, diagnostics: [] } })
  }
  const action = `${deploymentType}`
  return [
    { method: 'PUT', path: one, action: `${action}/write`, handle: put },
    {
      method: 'GET',
      path: base,
      action: `${action}/read`,
      handle: async (request) => {
        const group = await plane.resources.requireGroup(request.path)
        const all = await plane.resources.list({ type: deploymentType, groupId: group.id })
        return ok({ value: all.map(view) })
      },
    },
    {
      method: 'GET',
      path: one,
      action: `${action}/read`,
      handle: async (request) => ok(view((await find(request)) as never)),
    },
    {
      method: 'HEAD',
      path: one,
      action: `${action}/read`,
      handle: async (request) => {
        const id = `${groupOf(request)}/providers/${deploymentType}/${param(request, 'deployment')}`
        return { status: (await plane.resources.find(id)) === undefined ? 404 : 204 }
      },
    },
    {
      method: 'DELETE',
      path: one,
      action: `${action}/delete`,
      handle: async (request) => {
        const group = await plane.resources.requireGroup(request.path)
        const found = await plane.resources.find(
          `${group.id}/providers/${deploymentType}/${param(request, 'deployment')}`,
        )
        if (found === undefined) return { status: 204 }
        if (found.body.properties['provisioningState'] === 'Running') throw stillRuns(found)
        // The record goes, what it deployed stays.
        await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, found.id))
        return { status: 204 }
      },
    },
    { method: 'POST', path: `${one}/validate`, action: `${action}/validate/action`, handle: validate },
    { method: 'POST', path: `${one}/whatIf`, action: `${action}/whatIf/action`, handle: preview },
    {
      method: 'POST',
      path: `${one}/cancel`,
      action: `${action}/cancel/action`,
      handle: async (request) => {
        const deployment = await find(request)
        const running = (await plane.outer.listFor(deployment.key)).find(({ endedAt }) => endedAt === undefined)
        if (running !== undefined && (await plane.outer.cancel(running.id))) return { status: 204 }
        throw new ServiceError({
          code: 'DeploymentCannotBeCancelled',
          status: 409,
          message: `The deployment '${deployment.name}' cannot be cancelled because it is not running.`,
          found: String(deployment.body.properties['provisioningState']),
        })
      },
    },
    {
      method: 'POST',
      path: `${one}/exportTemplate`,
      action: `${action}/exportTemplate/action`,
      handle: async (request) => ok({ template: (await find(request)).internal.template }),
    },
    // az asks by the path that this had before resource providers.
    ...[`${one}/operations`, `${groupPath}/deployments/{deployment}/operations`].map((path): Route => ({
      method: 'GET',
      path,
      action: `${action}/operations/read`,
      handle: async (request) => {
        const deployment = await find(request)
        const { outcomes } = deployment.internal
        return ok({ value: outcomes.map((outcome, index) => operationView(deployment.id, outcome, index)) })
      },
    })),
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
    status: 409,
    message: `The deployment '${deployment.name}' is still active.`,
    remedy: 'Cancel it, or wait until it ends.',
  })

const invalidName = (name: string): ServiceError =>
  new ServiceError({
    code: 'InvalidDeploymentName',
    status: 400,
    message: `The deployment name '${name.slice(0, 80)}' is invalid: 1 to 64 letters, digits, '_', '-', '.', '(' and ')', not ending with '.'.`,
    target: 'name',
    found: name.slice(0, 80),
  })
