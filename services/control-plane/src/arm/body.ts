import { ServiceError } from '@strongroom/platform'
import json5 from 'json5'

/** No request nests deeper; deeper bodies are meant to exhaust a stack. */
const depthLimit = 100

/**
 * A request's JSON, undefined for an empty body. `lenient` accepts what az sends for templates: comments, trailing
 * commas, unquoted names, and multi-line texts.
 * @throws ServiceError InvalidRequestContent
 */
export function parseBody(text: string, o: { lenient: boolean }): unknown {
  if (text.trim() === '') return undefined
  const depth = depthOf(text)
  if (depth > depthLimit) throw invalid(`it is nested ${depth} levels deep`, `at most ${depthLimit} levels`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    value = o.lenient ? parseLenient(text) : undefined
    if (value === undefined) throw invalid((error as Error).message, 'JSON')
  }
  refuseProto(value)
  return value
}

function parseLenient(text: string): unknown {
  try {
    return json5.parse(escapeLineEnds(text))
  } catch (error) {
    throw invalid((error as Error).message, 'JSON, optionally with comments')
  }
}

/** Texts with line ends and tabs escaped: a template's longer expressions span several lines. */
function escapeLineEnds(text: string): string {
  let result = ''
  let from = 0
  for (let at = 0; at < text.length; at++) {
    at = endOfComment(text, at)
    const sign = text[at]
    if (sign !== '"' && sign !== "'") continue
    const end = endOfText(text, at)
    const inside = text.slice(at, end).replaceAll(/\\\r\n|\\[^]|[\n\r\t]/g, (found) => escapes[found] ?? found)
    result += text.slice(from, at) + inside
    from = end
    at = end
  }
  return result + text.slice(from)
}

const escapes: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** The deepest nesting, counted before anything is built. Brackets in texts and comments (including JSON5's) do not count. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < text.length; at++) {
    at = endOfComment(text, at)
    const sign = text[at]
    if (sign === '"' || sign === "'") at = endOfText(text, at)
    else if (sign === '{' || sign === '[') deepest = Math.max(deepest, ++depth)
    else if (sign === '}' || sign === ']') depth -= 1
  }
  return deepest
}

/**
 * Index of the last character of the comment that begins at `at`, else `at`. An unterminated one extends to the end. A
 * slash outside texts begins a comment, or the following is not parsed.
 */
function endOfComment(text: string, at: number): number {
  if (text[at] !== '/') return at
  if (text[at + 1] === '/') return endOfLine(text, at)
  const end = text.indexOf('*/', at + 2)
  return end === -1 ? text.length : end + 1
}

/** Index of the quote that closes the text; an unterminated one extends to the end. */
function endOfText(text: string, begin: number): number {
  let at = begin + 1
  while (at < text.length && text[at] !== text[begin]) at += text[at] === '\\' ? 2 : 1
  return at
}

/** A comment ends at any of JSON5's four line ends (ECMA-262, section 12.3). */
function endOfLine(text: string, begin: number): number {
  let at = begin
  while (at < text.length && !'\n\r\u2028\u2029'.includes(text[at]!)) at += 1
  return at
}

/** A member of this name could become an object's prototype when copied carelessly. Without recursion: depth was counted in the text. */
function refuseProto(root: unknown): void {
  const left = [root]
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (typeof value !== 'object' || value === null) continue
    if (Object.hasOwn(value, '__proto__')) throw invalid("it has a member named '__proto__'", 'no such member')
    for (const member of Object.values(value)) left.push(member)
  }
}

const invalid = (found: string, expected: string): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: `The request content was invalid and could not be deserialized: '${found}'.`,
    expected,
    found,
    remedy: 'Send well-formed JSON.',
  })
