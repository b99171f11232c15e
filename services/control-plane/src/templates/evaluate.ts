import type { Fuel } from '@strongroom/platform'
import { callsIn, isExpression, literalText, parseExpression, type Expression } from './expression.ts'
import { itemOf, pureFunctions } from './functions.ts'
import { findRegion } from '../arm/regions.ts'
import { offeredIn } from '../resources/providers.ts'
import type { Environment, UserFunction } from './environment.ts'
import { resourceIdFunctions } from './ids.ts'
import { TemplateError } from './template-error.ts'
import { takeLookUp, takeSizes, takeStep, takeValue, valueUnits } from './template-fuel.ts'
import { assertBounded, isObject, memberOf, resultLimit, textOf, typeName, type Obj, type Value } from './values.ts'

/** What an expression can see. */
export interface Scope {
  environment: Environment
  fuel: Fuel
  parameter(name: string): Promise<Value>
  variable(name: string): Promise<Value>
  /** Loops around the expression, innermost last. */
  loops: readonly { name: string; index: number }[]
  locals: ReadonlyMap<string, Value>
  functions: ReadonlyMap<string, UserFunction>
  /** Depth of the template's own functions around the expression. */
  depth?: number
  /** reference() and list…(), where resources may be queried; absent if the language forbids them. */
  resource?(call: { name: string; args: Value[] }): Promise<Value>
}

type Call = Extract<Expression, { kind: 'call' }>
type Special = (call: Call, scope: Scope) => Promise<Value>

/** Whether the text calls something only known while resources are deployed. */
export const needsResources = (text: string): boolean =>
  isExpression(text) && callsIn(parseExpression(text)).some(({ name }) => isResourceCall(name))

export const isResourceCall = (name: string): boolean =>
  name === 'reference' ||
  name === 'references' ||
  name === 'resourceinfo' ||
  (name.startsWith('list') && name.length > 4)

/** @throws TemplateError */
export async function evaluate(expression: Expression, scope: Scope): Promise<Value> {
  await takeStep(scope.fuel)
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'call':
      return assertBounded(await callFunction(expression, scope), resultLimit)
    case 'member': {
      const of = await evaluate(expression.of, scope)
      return pick(of, expression.name, scope)
    }
    case 'index': {
      const of = await evaluate(expression.of, scope)
      return pick(of, await evaluate(expression.at, scope), scope)
    }
  }
}

function pick(of: Value, key: Value, scope: Scope): Value {
  if (isObject(of) && typeof key === 'string') takeLookUp(scope.fuel, of, key)
  const found = itemOf(of, key)
  if (found !== undefined) return found.value
  const names = isObject(of) ? Object.keys(of).slice(0, 20).join(', ') : typeName(of)
  throw new TemplateError(
    `The language expression property '${textOf(key).slice(0, 80)}' doesn't exist, available properties are '${names}'`,
    { expected: names, found: textOf(key).slice(0, 80) },
  )
}

async function callFunction(call: Call, scope: Scope): Promise<Value> {
  const special = specials.get(call.name)
  if (special !== undefined) return await special(call, scope)
  const user = scope.functions.get(call.name)
  if (user !== undefined) return await callUserFunction(user, call, scope)
  const ids = resourceIdFunctions.get(call.name)
  if (ids !== undefined) return ids(await values(call, scope), scope.environment)
  if (isResourceCall(call.name)) {
    if (scope.resource === undefined) {
      throw new TemplateError(
        `The template function '${call.name}' is not expected at this location. It can be used in the properties ` +
          'of resources and in outputs',
        { found: call.name },
      )
    }
    return await scope.resource({ name: call.name, args: await values(call, scope) })
  }
  const pure = pureFunctions.get(call.name)
  if (pure !== undefined) return await callPure(pure, call, scope)
  throw new TemplateError(`The template function '${call.name.slice(0, 60)}' is not valid`, {
    found: call.name.slice(0, 60),
    remedy: 'docs/guides/azure-clients.md#templates lists the functions.',
  })
}

async function callPure(pure: (args: Value[], name: string) => Value, call: Call, scope: Scope): Promise<Value> {
  const given = await values(call, scope)
  takeSizes(scope.fuel, given)
  if (scope.fuel.isTurnDue) await scope.fuel.turn()
  try {
    const result = pure(given, call.name)
    takeSizes(scope.fuel, [result])
    return result
  } catch (error) {
    // Longer than any text can be.
    if (!(error instanceof RangeError)) throw error
    throw new TemplateError(`The result of the template function '${call.name}' is too large`)
  }
}

const values = async (call: Call, scope: Scope): Promise<Value[]> => {
  const all: Value[] = []
  for (const argument of call.args) all.push(await evaluate(argument, scope))
  return all
}

async function callUserFunction(user: UserFunction, call: Call, scope: Scope): Promise<Value> {
  if ((scope.depth ?? 0) > depthLimit) throw new TemplateError(`The template function '${call.name}' calls itself`)
  const given = await values(call, scope)
  if (given.length !== user.parameters.length) {
    throw new TemplateError(`The template function '${call.name}' takes ${user.parameters.length} arguments`, {
      expected: String(user.parameters.length),
      found: String(given.length),
    })
  }
  const inner: Scope = {
    ...scope,
    parameter: async (name) => {
      const at = user.parameters.findIndex((each) => each.toLowerCase() === name.toLowerCase())
      if (at === -1) throw new TemplateError(`The function '${call.name}' has no parameter '${name}'`)
      return given[at]
    },
    // A template's own function sees only its parameters.
    variable: async (name) => {
      throw new TemplateError(`The function '${call.name}' cannot use the variable '${name}'`)
    },
    functions: user.callsOthers ? scope.functions : new Map(),
    depth: (scope.depth ?? 0) + 1,
  }
  return await evaluateValue(user.output, inner)
}

const argument = async (call: Call, index: number, scope: Scope): Promise<Value> => {
  const expression = call.args[index]
  if (expression !== undefined) return await evaluate(expression, scope)
  throw new TemplateError(`The template function '${call.name}' has too few arguments`, {
    found: String(call.args.length),
  })
}

const truth = (value: Value, name: string): boolean => {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  throw new TemplateError(`The template function '${name}' expects a boolean`, { found: typeName(value) })
}

const name = (value: Value, of: string): string => {
  if (typeof value === 'string') return value
  throw new TemplateError(`The template function '${of}' expects a name`, { found: typeName(value) })
}

/** Evaluates a lambda's body with its variables. */
async function applyLambda(call: Call, index: number, scope: Scope, given: Value[]): Promise<Value> {
  const lambda = call.args[index]
  if (lambda?.kind !== 'call' || lambda.name !== 'lambda' || lambda.args.length === 0)
    throw new TemplateError(`The template function '${call.name}' expects a lambda`)
  const names = await Promise.all(
    lambda.args.slice(0, -1).map(async (each) => name(await evaluate(each, scope), 'lambda')),
  )
  const locals = new Map([...scope.locals, ...names.map((each, at) => [each.toLowerCase(), given[at]] as const)])
  return await evaluate(lambda.args.at(-1)!, { ...scope, locals })
}

const items = async (call: Call, scope: Scope): Promise<Value[]> => {
  const value = await argument(call, 0, scope)
  if (Array.isArray(value)) return value
  throw new TemplateError(`The template function '${call.name}' expects an array`, { found: typeName(value) })
}

const lambdas: Record<string, Special> = {
  map: async (call, scope) => {
    const results: Value[] = []
    for (const [at, item] of (await items(call, scope)).entries())
      results.push(await applyLambda(call, 1, scope, [item, at]))
    return results
  },
  filter: async (call, scope) => {
    const results: Value[] = []
    for (const [at, item] of (await items(call, scope)).entries())
      if (truth(await applyLambda(call, 1, scope, [item, at]), 'filter')) results.push(item)
    return results
  },
  reduce: async (call, scope) => {
    let held = await argument(call, 1, scope)
    for (const item of await items(call, scope)) held = await applyLambda(call, 2, scope, [held, item])
    return held
  },
  sort: async (call, scope) => {
    const sorted: Value[] = []
    for (const item of await items(call, scope)) {
      let at = 0
      while (at < sorted.length && !truth(await applyLambda(call, 1, scope, [item, sorted[at]]), 'sort')) at += 1
      sorted.splice(at, 0, item)
    }
    return sorted
  },
  toobject: async (call, scope) => {
    const pairs: [string, Value][] = []
    for (const item of await items(call, scope)) {
      const key = name(await applyLambda(call, 1, scope, [item]), 'toObject')
      pairs.push([key, call.args.length > 2 ? await applyLambda(call, 2, scope, [item]) : item])
    }
    return Object.fromEntries(pairs)
  },
  mapvalues: async (call, scope) => {
    const object = await argument(call, 0, scope)
    if (!isObject(object))
      throw new TemplateError("The template function 'mapValues' expects an object", { found: typeName(object) })
    const pairs: [string, Value][] = []
    for (const [key, value] of Object.entries(object)) pairs.push([key, await applyLambda(call, 1, scope, [value])])
    return Object.fromEntries(pairs)
  },
  groupby: async (call, scope) => {
    const groups = new Map<string, Value[]>()
    for (const item of await items(call, scope)) {
      const key = name(await applyLambda(call, 1, scope, [item]), 'groupBy')
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
    return Object.fromEntries(groups)
  },
  lambdavariables: async (call, scope) => {
    const wanted = name(await argument(call, 0, scope), 'lambdaVariables')
    if (scope.locals.has(wanted.toLowerCase())) return scope.locals.get(wanted.toLowerCase())
    throw new TemplateError(`There is no lambda variable '${wanted.slice(0, 60)}'`)
  },
}

export const lambdaFunctions: readonly string[] = Object.keys(lambdas)

const specials: ReadonlyMap<string, Special> = new Map(
  Object.entries({
    ...lambdas,
    // Only the chosen branch is evaluated: the other may name what does not exist.
    if: async (call, scope) => await argument(call, truth(await argument(call, 0, scope), 'if') ? 1 : 2, scope),
    and: async (call, scope) => {
      for (const each of call.args) if (!truth(await evaluate(each, scope), 'and')) return false
      return true
    },
    or: async (call, scope) => {
      for (const each of call.args) if (truth(await evaluate(each, scope), 'or')) return true
      return false
    },
    parameters: async (call, scope) => await scope.parameter(name(await argument(call, 0, scope), 'parameters')),
    variables: async (call, scope) => await scope.variable(name(await argument(call, 0, scope), 'variables')),
    copyindex: copyIndex,
    resourcegroup: async (_call, scope) => {
      const { group } = scope.environment.scope
      if (group === undefined) throw outOfScope('resourceGroup', scope)
      return {
        ...group,
        type: 'Microsoft.Resources/resourceGroups',
        managedBy: null,
        properties: { provisioningState: 'Succeeded' },
      }
    },
    subscription: async (_call, scope) => {
      const { subscriptionId, tenantId } = scope.environment
      if (!['subscription', 'resourceGroup'].includes(scope.environment.scope.kind))
        throw outOfScope('subscription', scope)
      return { id: `/subscriptions/${subscriptionId}`, subscriptionId, tenantId, displayName: 'Strongroom' }
    },
    tenant: async (_call, scope) => ({
      tenantId: scope.environment.tenantId,
      displayName: 'Strongroom',
      countryCode: '',
    }),
    managementgroup: async (_call, scope) => {
      const { id, kind } = scope.environment.scope
      if (kind !== 'managementGroup') throw outOfScope('managementGroup', scope)
      return { id, name: id.split('/').at(-1), type: 'Microsoft.Management/managementGroups' }
    },
    providers: async (call, scope) => {
      const [namespace, type] = [
        await argument(call, 0, scope),
        call.args.length > 1 ? await argument(call, 1, scope) : undefined,
      ]
      const types = offeredIn(scope.environment.types, textOf(namespace))
      return type === undefined
        ? { namespace, resourceTypes: types }
        : (types.find((each) => each.resourceType.toLowerCase() === textOf(type).toLowerCase()) ?? null)
    },
    pickzones: async (call, scope) => {
      const [, , location, count, offset] = await values(call, scope)
      const zones = findRegion(textOf(location))?.zones ?? []
      const from = typeof offset === 'number' ? offset : 0
      return zones.slice(from, from + (typeof count === 'number' ? count : 1))
    },
    deployer: async (_call, scope) => scope.environment.deployer,
    deployment: async (_call, scope) => scope.environment.deployment,
    environment: async (_call, scope) => scope.environment.cloud,
  } satisfies Record<string, Special>),
)

function outOfScope(name: string, scope: Scope): TemplateError {
  return new TemplateError(
    `The template function '${name}' is not expected in a deployment to a ${scope.environment.scope.kind}`,
    { found: scope.environment.scope.kind, remedy: 'Deploy to the scope that the function names.' },
  )
}

async function copyIndex(call: Call, scope: Scope): Promise<Value> {
  const given: Value[] = await values(call, scope)
  const loopName = typeof given[0] === 'string' ? given[0] : undefined
  const offset = given[loopName === undefined ? 0 : 1] ?? 0
  if (typeof offset !== 'number')
    throw new TemplateError("The template function 'copyIndex' expects a number as its offset")
  const loop = scope.loops.findLast(
    (each) => loopName === undefined || each.name.toLowerCase() === loopName.toLowerCase(),
  )
  if (loop !== undefined) return loop.index + offset
  throw new TemplateError(
    "The template function 'copyIndex' is not expected at this location. It can be used only inside a copy loop",
    {
      found: loopName ?? 'no loop',
    },
  )
}

const depthLimit = 64

/** Whether it has neither expressions nor members, and other work need not get its turn: it takes no promise, which is most of the time. */
const isPlain = (value: Value, { fuel }: Scope): boolean =>
  !fuel.isTurnDue && (typeof value === 'string' ? !isExpression(value) : typeof value !== 'object' || value === null)

function plain(value: Value, { fuel }: Scope): Value {
  fuel.take(valueUnits)
  return typeof value === 'string' ? literalText(value) : value
}

/** Evaluates every expression in a value, including member names; unrolls `copy` members. */
export async function evaluateValue(value: Value, scope: Scope, depth: number = 0): Promise<Value> {
  if (depth > depthLimit) throw new TemplateError(`The template nests more than ${depthLimit} levels deep`)
  // Nested loops are work even without expressions (attack W22).
  await takeValue(scope.fuel)
  if (typeof value === 'string')
    return isExpression(value) ? await evaluate(parseExpression(value), scope) : literalText(value)
  if (Array.isArray(value)) {
    const results: Value[] = []
    for (const item of value)
      results.push(isPlain(item, scope) ? plain(item, scope) : await evaluateValue(item, scope, depth + 1))
    return assertBounded(results)
  }
  if (!isObject(value)) return value
  const pairs: [string, Value][] = []
  for (const [key, member] of Object.entries(value)) {
    if (key.toLowerCase() === 'copy' && Array.isArray(member)) pairs.push(...(await unroll(member, scope, depth)))
    else {
      const named = isPlain(key, scope) ? plain(key, scope) : await evaluateValue(key, scope, depth + 1)
      pairs.push([
        textOf(named),
        isPlain(member, scope) ? plain(member, scope) : await evaluateValue(member, scope, depth + 1),
      ])
    }
  }
  return assertBounded(Object.fromEntries(pairs))
}

/** `copy: [{ name, count, input }]` beside other members: each becomes a list under its name. */
export async function unroll(loops: Value[], scope: Scope, depth: number = 0): Promise<[string, Value][]> {
  const results: [string, Value][] = []
  for (const loop of loops) {
    if (!isObject(loop)) throw new TemplateError("A member 'copy' must be a list of loops with name, count and input")
    const loopName = name(await evaluateValue(loop['name'], scope, depth + 1), 'copy')
    const count = await loopCount(loop, scope)
    const input = memberOf(loop, 'input')?.value
    const made: Value[] = []
    for (let index = 0; index < count; index++) {
      const inner = { ...scope, loops: [...scope.loops, { name: loopName, index }] }
      made.push(isPlain(input, inner) ? plain(input, inner) : await evaluateValue(input, inner, depth + 1))
    }
    results.push([loopName, made])
  }
  return results
}

/** Azure's limit on every loop. */
const loopLimit = 800

export async function loopCount(loop: Obj, scope: Scope): Promise<number> {
  const count = await evaluateValue(memberOf(loop, 'count')?.value, scope)
  if (typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= loopLimit) return count
  throw new TemplateError(`The 'count' of a copy loop must be a whole number from 0 to ${loopLimit}`, {
    expected: `0 to ${loopLimit}`,
    found: textOf(count).slice(0, 40),
  })
}
