import { createHash } from 'node:crypto'
import {
  ServiceError,
  toErrorDetail,
  type Caller,
  type ErrorDetail,
  type Operation,
  type SagaDefinition,
} from '@strongroom/platform'
import { substituteFor } from '../arm/substitutes.ts'
import type { ArmRequest } from '../arm/request.ts'
import type { Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { prepare, type DeploymentInput, type Prepared } from './input.ts'
import { Progress } from './progress.ts'
import {
  deleteOthers,
  keysOf,
  redact,
  runTemplate,
  type ResourceOutcome,
  type NestedDeployment,
  type RunContext,
} from './run.ts'
import { TemplateError } from './template-error.ts'
import { templateFuel } from './template-fuel.ts'
import { objectAt } from './parameters.ts'
import { deploymentType, openScope, scopeIdOf, type DeploymentScope } from './scope.ts'
import { holdsSecrets } from './types.ts'
import { evaluateKnown } from './evaluate-known.ts'
import type { PlannedResource } from './plan.ts'
import { isObject, memberOf, type Obj, type Value } from './values.ts'

export interface DeploymentInternal {
  template: Obj
  outcomes: ResourceOutcome[]
}

interface RunParams {
  id: string
  caller: Caller
  correlationId: string
  input: DeploymentInput
  /** Key of the secure parameters in the memory of the process that accepted the request. */
  secrets?: string
}

/** Deployments as records beside their group's resources, and the saga that runs them. */
export class Deployments {
  readonly #plane: Plane
  /** Values of secure parameters, while their deployment runs. Never written anywhere. */
  readonly #secure = new Map<string, Obj>()

  constructor(plane: Plane) {
    this.#plane = plane
  }

  /** Records the deployment and starts it. @throws ServiceError DeploymentActive if one of the name is running */
  async begin(
    request: ArmRequest,
    o: { scope: DeploymentScope; input: DeploymentInput; prepared: Prepared },
  ): Promise<{ deployment: Resource; created: boolean; operation: Operation }> {
    const { scope, input, prepared } = o
    const id = `${scope.id}/providers/${deploymentType}/${input.name}`
    const secure = secureNames(input.template)
    const key = secure.length === 0 ? undefined : this.#plane.newId()
    const open = Object.fromEntries(
      Object.entries(input.parameters).filter(([name]) => !secure.includes(name.toLowerCase())),
    )
    if (key !== undefined)
      this.#secure.set(
        key,
        Object.fromEntries(Object.entries(input.parameters).filter(([name]) => secure.includes(name.toLowerCase()))),
      )
    const params: RunParams = {
      id,
      caller: request.caller,
      correlationId: request.correlationId,
      input: { ...input, parameters: open },
      ...(key !== undefined && { secrets: key }),
    }
    try {
      return await this.#plane.resources.transaction(async (tx) => {
        if (scope.group !== undefined) await this.#plane.resources.lockGroup(tx, scope.id)
        const before = await this.#plane.resources.find(id, tx)
        if (before?.body.properties['provisioningState'] === 'Running') throw active(id)
        const deployment = await this.#record({
          id,
          scope,
          input,
          prepared,
          correlationId: request.correlationId,
          existing: before,
          tx,
        })
        const operation = await this.#plane.outer.submit({
          kind: 'deployment.run',
          resourceId: deployment.key,
          principal: request.caller.objectId,
          params,
          // Only this process has the values.
          here: key !== undefined,
          tx,
        })
        return { deployment, created: before === undefined, operation }
      })
    } catch (error) {
      if (key !== undefined) this.#secure.delete(key)
      throw error
    }
  }

  saga(): SagaDefinition<RunParams> {
    return {
      kind: 'deployment.run',
      steps: [
        {
          name: 'deploy resources',
          do: async (step) => {
            const { params } = step
            const input = { ...params.input, parameters: { ...params.input.parameters, ...this.#secrets(params) } }
            const scope = await openScope(this.#plane, scopeIdOf(params.id), input.location)
            const prepared = await prepare(this.#plane, { scope, input, caller: params.caller, fuel: templateFuel() })
            const c = this.#context({ ...params, signal: step.signal })
            try {
              const outputs = await runTemplate(c, input, prepared)
              if (input.mode === 'Complete') await deleteOthers(c, scope, keysOf(prepared.resources))
              await this.#finish(params.id, { outputs, outcomes: await c.outcomes() })
            } catch (error) {
              await this.#writeOutcomes(params.id, await c.outcomes())
              throw error
            }
          },
        },
      ],
      onFinished: async ({ params, status, error }) => {
        if (params.secrets !== undefined) this.#secure.delete(params.secrets)
        if (status === 'Succeeded') return
        const fallback: ErrorDetail = { code: 'DeploymentCanceled', message: 'The deployment was canceled.' }
        await this.#finish(params.id, { error: error ?? fallback, canceled: status === 'Canceled' })
      },
    }
  }

  /** A nested deployment: same run, separate record. */
  async #runNested(c: RunContext, o: NestedDeployment): Promise<void> {
    const { id, scope, input, prepared } = o
    await this.#plane.resources.transaction(async (tx) => {
      if (scope.group !== undefined) await this.#plane.resources.lockGroup(tx, scope.id)
      const existing = await this.#plane.resources.find(id, tx)
      await this.#record({ id, scope, input, prepared, correlationId: c.correlationId, existing, tx })
    })
    const inner = this.#context({ id, caller: c.caller, correlationId: c.correlationId, signal: c.signal })
    try {
      const outputs = await runTemplate(inner, input, prepared, o.depth)
      await this.#finish(id, { outputs, outcomes: await inner.outcomes() })
    } catch (error) {
      if (!c.signal.aborted)
        await this.#finish(id, {
          error: redact(toErrorDetail(error), prepared.section.secrets),
          outcomes: await inner.outcomes(),
        })
      throw error
    }
  }

  #secrets(params: RunParams): Obj {
    if (params.secrets === undefined) return {}
    const held = this.#secure.get(params.secrets)
    if (held !== undefined) return held
    throw new ServiceError({
      code: 'DeploymentInterrupted',
      message: 'The server stopped while this deployment ran, and values of secure parameters are never stored.',
      remedy: 'Deploy the template again: existing resources are recognised.',
    })
  }

  #context(o: { id: string; caller: Caller; correlationId: string; signal: AbortSignal }): RunContext {
    const progress = new Progress(async (outcomes) => await this.#writeOutcomes(o.id, outcomes), o.signal)
    return {
      plane: this.#plane,
      ...o,
      outcomes: async () => await progress.end(),
      onOutcome: (outcome) => progress.tell(outcome),
      runNested: async (c, nested) => await this.#runNested(c, nested),
    }
  }

  async #writeOutcomes(id: string, outcomes: ResourceOutcome[]): Promise<void> {
    await this.#plane.resources.update<DeploymentInternal>(id, (row) => void (row.internal.outcomes = outcomes))
  }

  async #record(o: {
    id: string
    scope: DeploymentScope
    input: DeploymentInput
    prepared: Prepared
    correlationId: string
    existing: Resource | undefined
    tx: Parameters<Parameters<Plane['resources']['transaction']>[0]>[0]
  }): Promise<Resource> {
    const body = { properties: deploymentProperties(this.#plane, o) }
    const internal: DeploymentInternal = { template: o.input.template, outcomes: [] }
    const location = o.scope.group === undefined ? o.scope.location : ''
    if (o.existing === undefined) {
      // A group's deployments are serialised; elsewhere two requests may create the same one at once.
      const made = await this.#plane.resources.insertIfNew(o.tx, { id: o.id, location, body, internal })
      if (made === undefined) throw active(o.id)
      return made
    }
    const changed = await this.#plane.resources.change<DeploymentInternal>(o.tx, o.id, (row) => {
      row.body = body
      row.internal = internal
    })
    return (changed ?? o.existing) as Resource
  }

  async #finish(
    id: string,
    o: { outputs?: Obj; outcomes?: ResourceOutcome[]; error?: ErrorDetail; canceled?: boolean },
  ): Promise<void> {
    await this.#plane.resources.update<DeploymentInternal>(id, (row) => {
      if (o.outcomes !== undefined) row.internal.outcomes = o.outcomes
      const { properties } = row.body
      const started = Date.parse(String(properties['timestamp']))
      properties['duration'] = `PT${((this.#plane.clock.now().getTime() - started) / 1000).toFixed(3)}S`
      properties['provisioningState'] =
        o.error === undefined ? 'Succeeded' : o.canceled === true ? 'Canceled' : 'Failed'
      if (o.error !== undefined) properties['error'] = o.error
      if (o.outputs !== undefined) properties['outputs'] = o.outputs
      const made = row.internal.outcomes.filter((each) => each.state === 'Succeeded')
      properties['outputResources'] = made.map((each) => ({ id: each.id }))
    })
  }
}

const secureNames = (template: Obj): string[] =>
  Object.entries(objectAt(template, 'parameters'))
    .filter(([, definition]) => isObject(definition) && holdsSecrets(definition, objectAt(template, 'definitions')))
    .map(([name]) => name.toLowerCase())

/** GET's view of a deployment that is starting. */
export function deploymentProperties(
  plane: Plane,
  o: { scope: DeploymentScope; input: DeploymentInput; prepared: Prepared; correlationId: string },
): Obj {
  const { input, prepared } = o
  const providers = new Map<string, Map<string, Set<string>>>()
  for (const each of prepared.resources) {
    const [namespace = '', ...types] = each.type.split('/')
    const held = providers.get(namespace) ?? new Map<string, Set<string>>()
    held.set(types.join('/'), (held.get(types.join('/')) ?? new Set()).add(o.scope.location))
    providers.set(namespace, held)
  }
  return {
    templateHash: createHash('sha256').update(JSON.stringify(input.template)).digest('hex').slice(0, 20),
    ...(input.link !== undefined && { templateLink: input.link }),
    parameters: prepared.section.shown,
    mode: input.mode,
    provisioningState: 'Running',
    timestamp: plane.clock.now().toISOString(),
    duration: 'PT0S',
    correlationId: o.correlationId,
    providers: [...providers].map(([namespace, types]) => ({
      namespace,
      resourceTypes: [...types].map(([resourceType, locations]) => ({ resourceType, locations: [...locations] })),
    })),
    dependencies: prepared.resources
      .filter((each) => each.after.size > 0)
      .map((each) => ({
        id: each.id,
        resourceType: each.type,
        resourceName: each.name,
        dependsOn: prepared.resources
          .filter((other) => each.after.has(other.key))
          .map((other) => ({ id: other.id, resourceType: other.type, resourceName: other.name })),
      })),
  }
}

const propertiesIn = ({ raw }: PlannedResource): Value => memberOf(raw, 'properties')?.value ?? {}

/** The resource manager must have every type, and the caller must be allowed to write it. */
export async function preflight(plane: Plane, caller: Caller, prepared: Prepared): Promise<void> {
  for (const each of prepared.resources) {
    if (each.existing) continue
    if (!plane.dispatcher.knows('PUT', each.id)) {
      const instead = substituteFor(each.type)
      throw new TemplateError(
        `The resource type '${each.type}' of '${each.name}' is not offered by this ` +
          `installation${instead === undefined ? '' : `. ${instead.replace(/\.$/, '')}`}`,
        {
          code: 'InvalidResourceType',
          target: each.id,
          found: each.type,
          remedy: instead ?? 'List what exists with az provider list.',
        },
      )
    }
    const body = async (): Promise<Value> => await evaluateKnown({ properties: propertiesIn(each) }, each.scope)
    await plane.dispatcher.authorise({ method: 'PUT', path: each.id, caller }, { body })
  }
}

const active = (id: string): ServiceError =>
  new ServiceError({
    code: 'DeploymentActive',
    message:
      `Unable to edit or replace deployment '${id.split('/').at(-1)}': previous deployment is still active ` +
      '(expiration time is unknown).',
    found: id,
    remedy: 'Wait until it ends, cancel it, or use another name.',
  })
