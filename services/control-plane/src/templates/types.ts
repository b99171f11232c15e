import { TemplateError } from './template-error.ts'
import { equal, isObject, memberOf, textOf, typeName, type Obj, type Value } from './values.ts'

/** Base types of parameters, outputs and a template's own types, with their values. */
export const kinds: Record<string, string> = {
  string: 'string',
  securestring: 'string',
  int: 'int',
  bool: 'bool',
  object: 'object',
  secureobject: 'object',
  array: 'array',
}

const isSecure = (type: string): boolean => /^secure(string|object)$/i.test(type)

const referenceLimit = 32
const depthLimit = 32

/** A definition with its `$ref` names resolved, its own members taking precedence. @throws TemplateError */
export function resolveType(definition: Obj, definitions: Obj): Obj {
  let held = definition
  for (let taken = 0; ; taken += 1) {
    const reference = memberOf(held, '$ref')?.value
    if (reference === undefined) return held
    const name = /^#\/definitions\/([^/]+)$/.exec(textOf(reference))?.[1]
    const found = name === undefined ? undefined : memberOf(definitions, decodeName(name))?.value
    if (!isObject(found) || taken > referenceLimit) {
      throw new TemplateError(
        `The type '${textOf(reference).slice(0, 120)}' is not one of the template's definitions`,
        {
          target: '$ref',
          expected: Object.keys(definitions)
            .map((each) => `#/definitions/${each}`)
            .join(', ')
            .slice(0, 300),
          found: textOf(reference).slice(0, 120),
        },
      )
    }
    const { $ref: _taken, ...own } = held
    held = { ...found, ...own }
  }
}

/** JSON pointers escape `~` and `/` (RFC 6901 section 3). */
const decodeName = (name: string): string => name.replaceAll('~1', '/').replaceAll('~0', '~')

/** Whether values of the type are secret or contain secrets. Types may contain each other: each is examined once. */
export function holdsSecrets(definition: Obj, definitions: Obj, seen: Set<Obj> = new Set<Obj>()): boolean {
  if (seen.has(definition)) return false
  seen.add(definition)
  const type = resolveType(definition, definitions)
  if (isSecure(textOf(type['type']))) return true
  return innerTypes(type).some((each) => holdsSecrets(each, definitions, seen))
}

function innerTypes(type: Obj): Obj[] {
  const { properties, items, prefixItems, additionalProperties, discriminator } = type
  const mapping = isObject(discriminator) ? discriminator['mapping'] : undefined
  return [
    ...(isObject(properties) ? Object.values(properties) : []),
    ...(isObject(mapping) ? Object.values(mapping) : []),
    ...(Array.isArray(prefixItems) ? prefixItems : []),
    items,
    additionalProperties,
  ].filter(isObject)
}

/** What is wrong with a value: where, expected and found. */
export interface TypeProblem {
  path: string
  message: string
  expected: string
  found: string
}

/** The first thing in a value that its type does not allow. */
export function typeProblem(
  value: Value,
  definition: Obj,
  definitions: Obj,
  path: string = '',
  depth: number = 0,
): TypeProblem | undefined {
  const type = resolveType(definition, definitions)
  if (value === null && type['nullable'] === true) return undefined
  const kind = kinds[textOf(type['type']).toLowerCase()]
  const problem = (message: string, expected: string, found: string): TypeProblem => ({
    path,
    message,
    expected,
    found,
  })
  if (depth > depthLimit) return problem('nests too deep', `at most ${depthLimit} levels`, 'more')
  if (kind !== undefined && typeName(value) !== kind) return problem(`is not of type '${kind}'`, kind, typeName(value))
  const allowed = memberOf(type, 'allowedValues')?.value
  // Allowed values apply to each item of a list, or to the list itself.
  if (Array.isArray(allowed) && !isAllowed(value, allowed))
    return problem(
      'is not part of the allowed value(s)',
      JSON.stringify(allowed).slice(0, 300),
      JSON.stringify(value).slice(0, 80),
    )
  const bounds = boundsProblem(value, type)
  if (bounds !== undefined) return { path, ...bounds }
  if (isObject(value)) return objectProblem(value, type, definitions, path, depth)
  return Array.isArray(value) ? arrayProblem(value, type, definitions, path, depth) : undefined
}

const isAllowed = (value: Value, allowed: Value[]): boolean =>
  allowed.some((each) => equal(each, value)) ||
  (Array.isArray(value) && value.every((item) => allowed.some((each) => equal(each, item))))

function boundsProblem(value: Value, type: Obj): Omit<TypeProblem, 'path'> | undefined {
  const size =
    typeof value === 'number' ? value : Array.isArray(value) || typeof value === 'string' ? value.length : undefined
  if (size === undefined) return undefined
  const [least, most] = typeof value === 'number' ? ['minValue', 'maxValue'] : ['minLength', 'maxLength']
  const bound = (name: string): number | undefined => {
    const limit = memberOf(type, name)?.value
    return typeof limit === 'number' ? limit : undefined
  }
  const [low, high] = [bound(least!), bound(most!)]
  if (low !== undefined && size < low)
    return { message: `is below its ${least}`, expected: String(low), found: String(size) }
  if (high !== undefined && size > high)
    return { message: `is above its ${most}`, expected: String(high), found: String(size) }
  return undefined
}

function objectProblem(value: Obj, type: Obj, definitions: Obj, path: string, depth: number): TypeProblem | undefined {
  const chosen = discriminated(value, type, definitions, path)
  if (chosen !== undefined && 'problem' in chosen) return chosen.problem
  const { properties, additionalProperties } = chosen?.type ?? type
  const declared = isObject(properties) ? properties : {}
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
  for (const [name, definition] of Object.entries(declared)) {
    if (!isObject(definition)) continue
    const member = memberOf(value, name)
    if (member === undefined) {
      if (resolveType(definition, definitions)['nullable'] === true) continue
      return {
        path: at(name),
        message: 'is missing',
        expected: name,
        found: Object.keys(value).join(', ').slice(0, 200),
      }
    }
    const problem = typeProblem(member.value, definition, definitions, at(name), depth + 1)
    if (problem !== undefined) return problem
  }
  if (additionalProperties === undefined || additionalProperties === true) return undefined
  for (const [name, member] of Object.entries(value)) {
    if (memberOf(declared, name) !== undefined) continue
    if (!isObject(additionalProperties))
      return { path: at(name), message: 'is not allowed', expected: Object.keys(declared).join(', '), found: name }
    const problem = typeProblem(member, additionalProperties, definitions, at(name), depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Selects the type that a member's value names. */
function discriminated(
  value: Obj,
  type: Obj,
  definitions: Obj,
  path: string,
): { type: Obj } | { problem: TypeProblem } | undefined {
  const rule = type['discriminator']
  if (!isObject(rule) || !isObject(rule['mapping'])) return undefined
  const member = textOf(rule['propertyName'])
  const named = memberOf(value, member)?.value
  const chosen = typeof named === 'string' ? memberOf(rule['mapping'], named)?.value : undefined
  if (isObject(chosen)) return { type: resolveType(chosen, definitions) }
  const problem = {
    path: path === '' ? member : `${path}.${member}`,
    message: 'names no type',
    expected: Object.keys(rule['mapping']).join(', '),
    found: textOf(named).slice(0, 80),
  }
  return { problem }
}

function arrayProblem(
  value: Value[],
  type: Obj,
  definitions: Obj,
  path: string,
  depth: number,
): TypeProblem | undefined {
  const first = Array.isArray(type['prefixItems']) ? type['prefixItems'] : []
  for (const [index, item] of value.entries()) {
    const definition = first[index] ?? type['items']
    if (definition === false)
      return { path: `${path}[${index}]`, message: 'is not allowed', expected: `${first.length} items`, found: 'more' }
    if (!isObject(definition)) continue
    const problem = typeProblem(item, definition, definitions, `${path}[${index}]`, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}
