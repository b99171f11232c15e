import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises'
import { ServiceError, toErrorDetail, type Caller, type ErrorDetail } from '@strongroom/platform'
import { operationError, operationIdOf } from '../arm/operations.ts'
import type { ArmReply, Method } from '../arm/request.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import type { Plane } from '../types/plane.ts'
import { evaluateValue, type Scope } from './evaluate.ts'
import { prepare, readDeployment, type DeploymentInput, type Prepared } from './input.ts'
import { objectAt, type Section } from './parameters.ts'
import { kindOf, openScope, scopeIdOf, type DeploymentScope } from './scope.ts'
import { holdsSecrets, resolveType, typeProblem } from './types.ts'
import { followLink } from './links.ts'
import { isDeployment, matching, planResources, resolveReference, type PlannedResource } from './plan.ts'
import { TemplateError } from './template-error.ts'
import { isObject, memberOf, textOf, type Obj, type Value } from './values.ts'

/** Outcome of one resource of a deployment. */
export interface ResourceOutcome {
  id: string
  type: string
  name: string
  state: 'Running' | 'Succeeded' | 'Failed'
  statusCode: number
  startedAt: string
  endedAt?: string
  error?: ErrorDetail
}

export interface RunContext {
  plane: Plane
  caller: Caller
  correlationId: string
  /** Id of the deployment. */
  id: string
  signal: AbortSignal
  onOutcome(outcome: ResourceOutcome): void
  /** Outcomes, for the final record. */
  outcomes(): Promise<ResourceOutcome[]>
  runNested(c: RunContext, o: NestedDeployment): Promise<void>
}

export interface NestedDeployment {
  id: string
  scope: DeploymentScope
  input: DeploymentInput
  prepared: Prepared
  depth: number
}

/** Concurrent resources per template: enough to be quick, and few enough for others. */
const atOnce = 16
const nestingLimit = 5

/** Members of a template's resource that belong to the engine. */
const engineMembers = new Set(
  (
    'apiversion type name dependson condition copy comments resources scope existing metadata asserts resourcegroup ' +
    'subscriptionid import provider @options'
  ).split(' '),
)

/**
 * Deploys a prepared template, each resource once its dependencies exist, and returns the template's outputs. Every
 * resource is a request by the caller: roles, locks and the activity log apply as to any other.
 * @throws ServiceError DeploymentFailed with every resource's error
 */
export async function runTemplate(
  c: RunContext,
  input: DeploymentInput,
  prepared: Prepared,
  depth: number = 0,
): Promise<Obj> {
  if (depth > nestingLimit) throw new TemplateError(`Deployments nest more than ${nestingLimit} deep`)
  const failures = await deployAll(c, prepared, depth)
  if (failures.length > 0) throw deploymentFailed(c.id, failures, prepared.section.secrets)
  return await readOutputs(c, input, prepared)
}

async function deployAll(c: RunContext, prepared: Prepared, depth: number): Promise<{ id: string; error: unknown }[]> {
  const waiting = new Map(prepared.resources.map((each) => [each.key, each]))
  const running = new Map<string, Promise<void>>()
  const failures: { id: string; error: unknown }[] = []
  const done = new Set<string>()
  for (;;) {
    c.signal.throwIfAborted()
    const ready = [...waiting.values()].filter((each) => [...each.after].every((key) => done.has(key)))
    for (const each of failures.length > 0 ? [] : ready.slice(0, atOnce - running.size)) {
      waiting.delete(each.key)
      const work = deployOne(c, prepared, each, depth)
        .then(() => void done.add(each.key))
        .catch((error: unknown) => void failures.push({ id: each.id, error }))
        .finally(() => running.delete(each.key))
      running.set(each.key, work)
    }
    if (running.size === 0) return failures
    await Promise.race(running.values())
  }
}

async function deployOne(c: RunContext, prepared: Prepared, one: PlannedResource, depth: number): Promise<void> {
  // A local database answers synchronously: without this, a long deployment would block all other requests.
  await breathe()
  if (one.existing || (await isKept(c, one))) return
  const { clock } = c.plane
  const outcome: ResourceOutcome = {
    id: one.id,
    type: one.type,
    name: one.name,
    state: 'Running',
    statusCode: 0,
    startedAt: clock.now().toISOString(),
  }
  c.onOutcome(outcome)
  try {
    const scope = withResources(c, prepared, one.scope)
    if (isDeployment(one.type)) await runNested(c, one, { scope, depth, secrets: prepared.section.secrets })
    else {
      const body = await bodyOf(one, scope)
      const reply = await send(c, 'PUT', one.id, one.apiVersion, body)
      outcome.statusCode = reply.status
      await settle(c, reply)
    }
    outcome.state = 'Succeeded'
    outcome.statusCode ||= 200
  } catch (error) {
    if (c.signal.aborted) throw error
    outcome.state = 'Failed'
    outcome.statusCode = error instanceof ServiceError ? error.status : 500
    outcome.error = redact(toErrorDetail(error), prepared.section.secrets)
    throw error
  } finally {
    if (!c.signal.aborted) c.onOutcome({ ...outcome, endedAt: clock.now().toISOString() })
  }
}

/** Bicep's @onlyIfNotExists(): an existing resource is unchanged. */
async function isKept(c: RunContext, one: PlannedResource): Promise<boolean> {
  const options = memberOf(one.raw, '@options')?.value
  if (!isObject(options) || options['onlyIfNotExists'] !== true) return false
  return (await c.plane.resources.find(one.id)) !== undefined
}

async function bodyOf(one: PlannedResource, scope: Scope): Promise<Obj> {
  const members = Object.fromEntries(Object.entries(one.raw).filter(([name]) => !engineMembers.has(name.toLowerCase())))
  return (await evaluateValue(members, scope)) as Obj
}

/** The scope in which resources can be queried: as the caller, each only once per querying resource. */
function withResources(c: RunContext, prepared: { resources: PlannedResource[] }, scope: Scope): Scope {
  return {
    ...scope,
    resource: async ({ name, args }) => {
      const [wanted, version, full] = args
      if (typeof wanted !== 'string')
        throw new TemplateError(`The template function '${name}' expects a resource first`)
      const read = async (id: string, apiVersion: string | undefined): Promise<Value> => {
        const api = typeof version === 'string' && version !== '' ? version : (apiVersion ?? '2024-11-01')
        const { body } = await send(c, 'GET', id, api)
        const shown = isObject(body) ? body : {}
        return [version, full].some((each) => typeof each === 'string' && each.toLowerCase() === 'full')
          ? { apiVersion: api, ...shown }
          : (shown['properties'] ?? {})
      }
      if (name === 'references') {
        const all = matching(wanted, prepared.resources)
        const found: Value[] = []
        for (const each of all) found.push(await read(each.id, each.apiVersion))
        return found
      }
      const { id, apiVersion, planned } = resolveReference(wanted, prepared.resources, scope)
      if (name === 'resourceinfo')
        return { id, name: planned?.name ?? id.split('/').at(-1), type: planned?.type, apiVersion }
      if (name === 'reference') return await read(id, apiVersion)
      const api = typeof version === 'string' && version !== '' ? version : (apiVersion ?? '2024-11-01')
      return (await send(c, 'POST', `${id}/${name}`, api, full ?? {})).body
    },
  }
}

async function send(
  c: RunContext,
  method: Method,
  path: string,
  apiVersion: string,
  body?: unknown,
): Promise<ArmReply> {
  return await c.plane.dispatcher.answer({
    method,
    path,
    origin: '',
    params: {},
    query: { 'api-version': apiVersion },
    headers: {},
    body,
    caller: c.caller,
    correlationId: c.correlationId,
  })
}

/** Waits for the operation in a reply. @throws ServiceError with the operation's error */
async function settle(c: RunContext, reply: ArmReply): Promise<void> {
  const operationId = operationIdOf(reply)
  if (operationId === undefined) return
  for (;;) {
    c.signal.throwIfAborted()
    const operation = await c.plane.runner.get(operationId)
    if (operation?.endedAt !== undefined) {
      if (operation.status === 'Succeeded') return
      throw operationError(operation)
    }
    await sleep(Math.max(20, c.plane.pollMs), undefined, { signal: c.signal })
  }
}

/** A nested deployment runs as part of this one, with a separate record. */
async function runNested(
  c: RunContext,
  one: PlannedResource,
  { scope, depth, secrets }: { scope: Scope; depth: number; secrets: string[] },
): Promise<void> {
  const { input, inner } = await readNested(c, one, scope)
  await c.plane.dispatcher.authorise({ method: 'PUT', path: one.id, caller: c.caller })
  const target = await openScope(c.plane, scopeIdOf(one.id), input.location ?? one.scope.environment.scope.location)
  const prepared = inner
    ? await prepare(c.plane, { scope: target, input, caller: c.caller, fuel: scope.fuel })
    : await prepareOuter(one, { target, input, secrets })
  await c.runNested(c, { id: one.id, scope: target, input, prepared, depth: depth + 1 })
}

/** A nested deployment's contents, and whether its expressions see only its own parameters. */
export async function readNested(
  c: Pick<RunContext, 'plane' | 'caller'>,
  one: PlannedResource,
  scope: Scope,
): Promise<{ input: DeploymentInput; inner: boolean }> {
  const properties = objectAt(one.raw, 'properties')
  const options = memberOf(properties, 'expressionEvaluationOptions')?.value
  const { template, ...rest } = properties
  const given = (await evaluateValue(rest, scope)) as Obj
  const { beside } = one.scope.environment
  const linked = await followLink(c.plane, { caller: c.caller, path: one.id, properties: given, beside })
  const location = memberOf(one.raw, 'location')
  const input = readDeployment(
    { name: one.name, kind: kindOf(scopeIdOf(one.id)), linked },
    {
      ...(location !== undefined && { location: await evaluateValue(location.value, scope) }),
      properties: { ...given, template },
    },
  )
  // A linked template cannot see its surroundings.
  const inner =
    linked !== undefined || (isObject(options) && textOf(memberOf(options, 'scope')?.value).toLowerCase() === 'inner')
  return { input, inner }
}

/** Azure's default: the nested template's expressions are evaluated in the outer template. */
export async function prepareOuter(
  one: PlannedResource,
  { target, input, secrets }: { target: DeploymentScope; input: DeploymentInput; secrets: string[] },
): Promise<Prepared> {
  const scope = { ...one.scope, environment: { ...one.scope.environment, scope: target } }
  // Secure values of the outer template stay secure in its records (attack W24).
  const section: Section = { scope, secrets, shown: {} }
  return { section, resources: await planResources(input.template, scope) }
}

async function readOutputs(c: RunContext, input: DeploymentInput, prepared: Prepared): Promise<Obj> {
  const results: [string, Value][] = []
  const definitions = objectAt(input.template, 'definitions')
  const scope = withResources(c, prepared, prepared.section.scope)
  for (const [name, definition] of Object.entries(objectAt(input.template, 'outputs'))) {
    if (!isObject(definition)) throw new TemplateError(`The template output '${name}' is not valid`)
    const condition = memberOf(definition, 'condition')
    if (condition !== undefined && (await evaluateValue(condition.value, scope)) !== true) continue
    const resolved = resolveType(definition, definitions)
    const type = textOf(memberOf(resolved, 'type')?.value)
    const copy = memberOf(definition, 'copy')?.value
    const value = isObject(copy)
      ? ((await evaluateValue({ copy: [{ name: 'made', ...copy }] }, scope)) as Obj)['made']
      : await evaluateValue(memberOf(definition, 'value')?.value, scope)
    const problem = value === null ? undefined : typeProblem(value, resolved, definitions)
    if (problem !== undefined) {
      throw new TemplateError(`The value of the template output '${name}' ${problem.message}`, {
        target: problem.path === '' ? name : `${name}.${problem.path}`,
        expected: problem.expected,
        found: holdsSecrets(resolved, definitions) ? '(not shown)' : problem.found,
      })
    }
    results.push([name, holdsSecrets(resolved, definitions) ? { type } : { type, value }])
  }
  return Object.fromEntries(results)
}

function deploymentFailed(id: string, failures: { id: string; error: unknown }[], secrets: string[]): ServiceError {
  return new ServiceError({
    code: 'DeploymentFailed',
    message:
      'At least one resource deployment operation failed. Please list deployment operations for details. Please ' +
      'see https://aka.ms/arm-deployment-operations for usage details.',
    target: id,
    details: failures.map(({ id: target, error }) => {
      const detail = redact(toErrorDetail(error), secrets)
      return { ...detail, target: detail.target ?? target }
    }),
  })
}

/** An error text may repeat input; secure parameter values are removed from it. */
export function redact(detail: ErrorDetail, secrets: string[]): ErrorDetail {
  if (secrets.length === 0) return detail
  let text = JSON.stringify(detail)
  for (const secret of secrets) text = text.replaceAll(JSON.stringify(secret).slice(1, -1), '***')
  return JSON.parse(text) as ErrorDetail
}

/** Complete mode: deletes what the group has and the template lacks, in a possible order. */
export async function deleteOthers(c: RunContext, group: { id: string }, kept: ReadonlySet<string>): Promise<void> {
  const all = await c.plane.resources.list({ groupId: group.id })
  const { types } = c.plane
  const gone = types.inDeletionOrder(all.filter(({ type, key }) => types.of(type) !== undefined && !kept.has(key)))
  for (const each of gone) {
    // A VM's deletion includes its disk, and its interface if so specified.
    if ((await c.plane.resources.find(each.id)) === undefined) continue
    if (each.type === 'microsoft.compute/disks' && isManaged(each.internal)) continue
    await settle(c, await send(c, 'DELETE', each.id, '2024-11-01'))
  }
}

const isManaged = (internal: Obj): boolean => typeof internal['managedBy'] === 'string' && internal['managedBy'] !== ''

export const keysOf = (resources: readonly PlannedResource[]): Set<string> =>
  new Set(resources.map((each) => keyOf(each.id)))
