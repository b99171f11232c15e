import { badParameter, shown } from '../core/errors.ts'

const tagLimits = { count: 15, length: 256 }

export interface CommonAttributes {
  enabled?: boolean | undefined
  nbf?: number | undefined
  exp?: number | undefined
}

/** @throws ServiceError 400 BadParameter */
export function objectOf(value: unknown, target: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw badParameter('The request body is not valid.', { target, expected: 'an object', found: shown(value) })
}

/** @throws ServiceError 400 BadParameter */
export function flagOf(value: unknown, target: string): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  throw badParameter(`${target} is not a boolean.`, { target, expected: 'true or false', found: shown(value) })
}

/** Common to the `attributes` of keys and secrets. @throws ServiceError 400 BadParameter */
export function commonAttributesOf(attributes: Record<string, unknown>): CommonAttributes {
  const time = (name: 'nbf' | 'exp'): number | undefined => {
    const given = attributes[name]
    if (given === undefined || given === null) return undefined
    if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given
    throw badParameter(`attributes.${name} is not a valid time.`, {
      target: `attributes.${name}`,
      expected: 'seconds since 1970',
      found: shown(given),
    })
  }
  const [nbf, exp] = [time('nbf'), time('exp')]
  assertOrder(nbf, exp)
  return { enabled: flagOf(attributes.enabled, 'attributes.enabled'), nbf, exp }
}

/** @throws ServiceError 400 BadParameter */
export function assertOrder(nbf: number | undefined, exp: number | undefined): void {
  if (nbf === undefined || exp === undefined || exp > nbf) return
  throw badParameter('attributes.exp is not after attributes.nbf.', {
    target: 'attributes.exp',
    expected: `after ${nbf}`,
    found: `${exp}`,
  })
}

/** @param reserved prefix of the service's own tags @throws ServiceError 400 BadParameter */
export function tagsOf(value: unknown, reserved?: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined
  const o = objectOf(value, 'tags')
  const names = Object.keys(o)
  if (names.length > tagLimits.count) {
    throw badParameter('There are too many tags.', {
      target: 'tags',
      expected: `at most ${tagLimits.count}`,
      found: `${names.length}`,
    })
  }
  for (const name of names) {
    const text = o[name]
    if (reserved !== undefined && name.toLowerCase().startsWith(reserved)) {
      throw badParameter(`Tags that begin with ${reserved} are reserved.`, { target: 'tags', found: shown(name) })
    }
    const fits = typeof text === 'string' && text.length <= tagLimits.length && name.length <= tagLimits.length
    if (!fits || name === '__proto__') {
      throw badParameter('A tag is not a string, or is too long.', {
        target: `tags.${shown(name)}`,
        expected: `a string of at most ${tagLimits.length} characters`,
        found: shown(text),
      })
    }
  }
  return o as Record<string, string>
}
