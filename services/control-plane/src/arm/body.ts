import { ServiceError } from '@strongroom/platform'
import json5 from 'json5'

/** No request nests deeper; what does is made to exhaust a stack. */
const depthLimit = 100

/**
 * A request's JSON, undefined for an empty body. `lenient` takes what az sends for templates: comments, trailing commas
 * and names without quotes.
 * @throws ServiceError InvalidRequestContent
 */
export function parseBody(text: string, o: { lenient: boolean }): unknown {
  if (text.trim() === '') return undefined
  const depth = depthOf(text)
  if (depth > depthLimit) throw invalid(`it nests ${depth} levels deep`, `at most ${depthLimit} levels`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    value = o.lenient ? parseLenient(text) : undefined
    if (value === undefined) throw invalid((error as Error).message.slice(0, 200), 'JSON')
  }
  refuseProto(value)
  return value
}

function parseLenient(text: string): unknown {
  try {
    return json5.parse(text)
  } catch (error) {
    throw invalid((error as Error).message.slice(0, 200), 'JSON, with comments where need be')
  }
}

/** The deepest nesting, counted before anything is built. Brackets in texts count too little to matter. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at)
    if (quoted) {
      if (sign === 0x5c) at += 1
      else if (sign === 0x22) quoted = false
    } else if (sign === 0x22) quoted = true
    else if (sign === 0x7b || sign === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (sign === 0x7d || sign === 0x5d) depth -= 1
  }
  return deepest
}

/** A member of this name would become an object's prototype where it is copied carelessly. */
function refuseProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) throw invalid("it has a member named '__proto__'", 'no such member')
  for (const member of Object.values(value)) refuseProto(member)
}

const invalid = (found: string, expected: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    status: 400,
    message: `The request content was invalid and could not be deserialized: '${found}'.`,
    expected,
    found,
    remedy: 'Send well-formed JSON.',
  })
