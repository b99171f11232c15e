import type { Fuel } from '@strongroom/platform'
import type { Environment, UserFunction } from './environment.ts'
import { evaluateValue, unroll, type Scope } from './evaluate.ts'
import { TemplateError } from './template-error.ts'
import { takeLookUp } from './template-fuel.ts'
import { holdsSecrets, kinds, resolveType, typeProblem } from './types.ts'
import { isObject, memberOf, textOf, typeName, type Obj, type Value } from './values.ts'

export interface Section {
  scope: Scope
  /** Values of secure parameters: they must never be shown. */
  secrets: string[]
  /** As a deployment shows them: types, and values of those that are not secure. */
  shown: Record<string, { type: string; value?: Value }>
}

/**
 * Parameters, variables and functions of a template. Unknown, missing, mistyped or out-of-range values are refused
 * before anything is deployed.
 * @throws TemplateError
 */
export async function openSection(o: {
  template: Obj
  given: Obj
  environment: Environment
  fuel: Fuel
}): Promise<Section> {
  const declared = objectAt(o.template, 'parameters')
  const variables = objectAt(o.template, 'variables')
  const definitions = objectAt(o.template, 'definitions')
  for (const [what, names] of Object.entries({ parameters: declared, variables, definitions, values: o.given }))
    refuseMany(what, Object.keys(names).length)
  const guarded = evaluatedOnce()
  const listed = Array.isArray(variables['copy']) ? variables['copy'] : []
  refuseMany('variables', listed.length)
  const loops = new Map(
    listed
      .filter(isObject)
      .map((each) => [textOf(each['name']).toLowerCase(), each] as const)
      .reverse(),
  )
  const scope: Scope = {
    environment: o.environment,
    fuel: o.fuel,
    loops: [],
    locals: new Map(),
    functions: readFunctions(o.template),
    parameter: async (name) => {
      takeLookUp(o.fuel, declared, name)
      const definition = memberOf(declared, name)?.value
      if (!isObject(definition)) throw new TemplateError(`The template parameter '${name.slice(0, 80)}' is not found`)
      return await guarded(
        `parameters('${name.toLowerCase()}')`,
        async () => await readParameter({ name, definition, definitions, given: o.given, scope }),
      )
    },
    variable: async (name) => {
      takeLookUp(o.fuel, variables, name)
      const found = memberOf(variables, name)
      if (found !== undefined && name.toLowerCase() !== 'copy')
        return await guarded(`variables('${name.toLowerCase()}')`, async () => await evaluateValue(found.value, scope))
      const loop = loops.get(name.toLowerCase())
      if (loop !== undefined)
        return await guarded(
          `variables('${name.toLowerCase()}')`,
          async () => (await unroll([loop], scope))[0]?.[1] ?? [],
        )
      throw new TemplateError(`The template variable '${name.slice(0, 80)}' is not found`)
    },
  }
  const unknown = Object.keys(o.given).filter((name) => memberOf(declared, name) === undefined)
  if (unknown.length > 0) {
    throw new TemplateError(
      'The following parameters were supplied, but do not correspond to any parameters defined in the template: ' +
        `'${unknown.join(', ').slice(0, 200)}'`,
      { expected: Object.keys(declared).join(', '), found: unknown.join(', ').slice(0, 200) },
    )
  }
  const secrets: string[] = []
  const shown: Section['shown'] = {}
  for (const [name, definition] of Object.entries(declared)) {
    if (!isObject(definition)) throw new TemplateError(`The template parameter '${name}' is not valid`)
    const value = await scope.parameter(name)
    const type = textOf(resolveType(definition, definitions)['type'])
    const secret = holdsSecrets(definition, definitions)
    if (secret) collectTexts(value, secrets)
    shown[name] = secret ? { type } : { type, value }
  }
  return { scope, secrets, shown }
}

/**
 * Parameters and variables are evaluated once, when they are first used. A name that depends on itself is an error: it
 * would wait forever.
 */
function evaluatedOnce(): (key: string, make: () => Promise<Value>) => Promise<Value> {
  const held = new Map<string, Promise<Value>>()
  const busy = new Set<string>()
  return async (key, make) => {
    if (busy.has(key)) throw new TemplateError(`The template has a circular reference through '${key}'`)
    const known = held.get(key)
    if (known !== undefined) return await known
    if (held.size > 5_000) throw new TemplateError('The template has too many parameters and variables')
    busy.add(key)
    const made = make().finally(() => busy.delete(key))
    held.set(key, made)
    return await made
  }
}

/** Azure's limit is a quarter of it. Names are matched case-insensitively one by one (attack W22). */
const mostNames = 1_024

function refuseMany(what: string, count: number): void {
  if (count <= mostNames) return
  throw new TemplateError(`The template has too many ${what}`, { expected: `at most ${mostNames}`, found: `${count}` })
}

export function objectAt(template: Obj, name: string): Obj {
  const value = memberOf(template, name)?.value
  if (value === undefined || value === null) return {}
  if (isObject(value)) return value
  throw new TemplateError(`The template's '${name}' must be an object`, { found: typeName(value) })
}

async function readParameter(o: {
  name: string
  definition: Obj
  definitions: Obj
  given: Obj
  scope: Scope
}): Promise<Value> {
  const { name, definitions, given, scope } = o
  const definition = resolveType(o.definition, definitions)
  const type = textOf(definition['type']).toLowerCase()
  const kind = kinds[type]
  if (kind === undefined) {
    throw new TemplateError(`The template parameter '${name}' has the unknown type '${type.slice(0, 40)}'`, {
      expected: Object.keys(kinds).join(', '),
    })
  }
  const entry = memberOf(given, name)?.value
  const supplied = isObject(entry) ? memberOf(entry, 'value') : undefined
  if (isObject(entry) && supplied === undefined && memberOf(entry, 'reference') !== undefined) {
    throw new TemplateError(
      `The parameter '${name}' refers to a key vault secret, which this installation does not read`,
      {
        remedy: 'Pass the value itself; a secureString is neither stored nor shown.',
      },
    )
  }
  const preset = memberOf(definition, 'defaultValue')
  if (supplied === undefined && preset === undefined && definition['nullable'] !== true) {
    throw new TemplateError(`The value for the template parameter '${name}' is not provided`, {
      target: name,
      remedy: `Pass ${name}=… with --parameters, or set a defaultValue.`,
    })
  }
  const value = supplied === undefined ? await evaluateValue(preset?.value ?? null, scope) : supplied.value
  if (value === null && definition['nullable'] === true) return null
  const secure = holdsSecrets(definition, definitions)
  return checkParameter({ name, definition, definitions, value: coerce(value, kind), secure })
}

/** az sends every `--parameters name=value` that is not JSON as text. */
function coerce(value: Value, kind: string): Value {
  if (typeof value !== 'string') return value
  if (kind === 'int' && /^-?\d{1,15}$/.test(value)) return Number(value)
  if (kind === 'bool' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
  return value
}

function checkParameter(o: { name: string; definition: Obj; definitions: Obj; value: Value; secure: boolean }): Value {
  const problem = typeProblem(o.value, o.definition, o.definitions)
  if (problem === undefined) return o.value
  const at = problem.path === '' ? o.name : `${o.name}.${problem.path}`
  throw new TemplateError(`The provided value for the template parameter '${at}' ${problem.message}`, {
    target: at,
    expected: problem.expected,
    found: o.secure ? '(not shown)' : problem.found,
  })
}

function readFunctions(template: Obj): Map<string, UserFunction> {
  const found = new Map<string, UserFunction>()
  const spaces = memberOf(template, 'functions')?.value
  const callsOthers = textOf(memberOf(template, 'languageVersion')?.value).startsWith('2')
  for (const space of Array.isArray(spaces) ? spaces : []) {
    if (!isObject(space) || typeof space['namespace'] !== 'string')
      throw new TemplateError("An entry of 'functions' has no namespace")
    for (const [name, body] of Object.entries(objectAt(space, 'members'))) {
      const parameters = isObject(body) && Array.isArray(body['parameters']) ? body['parameters'] : []
      found.set(`${space['namespace']}.${name}`.toLowerCase(), {
        parameters: parameters.map((each) => (isObject(each) ? textOf(each['name']) : '')),
        output: isObject(body) ? objectAt(body, 'output')['value'] : undefined,
        callsOthers,
      })
    }
  }
  return found
}

/** Every text in a secret value that is long enough to be recognised. */
function collectTexts(value: Value, into: string[]): void {
  if (typeof value === 'string' && value.length >= 4) into.push(value)
  else if (Array.isArray(value)) for (const item of value) collectTexts(item, into)
  else if (isObject(value)) for (const item of Object.values(value)) collectTexts(item, into)
}
