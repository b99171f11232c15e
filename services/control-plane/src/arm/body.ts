import { allowedJsonValues, jsonWeights, mostJsonValues, nextSlice, ServiceError } from '@strongroom/platform'
import json5 from 'json5'

/** No request nests deeper; deeper bodies are meant to exhaust a stack. */
const depthLimit = 100
/** Members of one object: names are matched in any case, by comparing all of them. */
const mostMembers = 8_000
/** Characters that JSON5 is parsed of, which takes fifty times as long as JSON. */
const mostJson5 = 32_768
/** Texts, their line ends and tabs, and comments of what is not JSON. */
const mostParts = 200_000
/** Of them, in one slice. */
const partsInSlice = 20_000
/** Characters from which on a body is parsed in slices. */
const long = 65_536

interface Dialect {
  /** Takes what az sends for templates: comments, texts of several lines; in shorter ones trailing commas, unquoted names, apostrophes. */
  lenient: boolean
}

/**
 * A request's JSON, undefined for an empty body.
 * @throws ServiceError InvalidRequestContent
 */
export function parseBody(text: string, o: Dialect): unknown {
  const steps = parsing(text, o)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same, in several slices if it is long (attack W55). */
export async function parseLongBody(text: string, o: Dialect): Promise<unknown> {
  const steps = parsing(text, o)
  for (;;) {
    if (text.length > long) await nextSlice()
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function* parsing(text: string, o: Dialect): Generator<undefined, unknown> {
  if (text.trim() === '') return undefined
  assertShape(text)
  yield
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!o.lenient) throw invalid((error as Error).message, 'JSON')
    yield
    value = yield* parsingLenient(text)
  }
  yield
  refuseProto(value)
  yield
  return value
}

function* parsingLenient(text: string): Generator<undefined, unknown> {
  const plain = yield* withoutComments(text)
  yield
  try {
    return JSON.parse(plain)
  } catch {
    yield
  }
  if (plain.length > mostJson5)
    throw invalid(
      `it has ${plain.length} characters, and trailing commas, names without quotation marks or texts in apostrophes`,
      `JSON with comments, or at most ${mostJson5} characters besides the comments`,
    )
  try {
    return json5.parse(plain)
  } catch (error) {
    throw invalid((error as Error).message, 'JSON, optionally with comments')
  }
}

/** Without comments, and with line ends and tabs in texts escaped: a template's longer expressions span several lines. */
function* withoutComments(text: string): Generator<undefined, string> {
  let result = ''
  let [from, parts, slice] = [0, 0, partsInSlice]
  const signs = /["'/]/g
  for (let found = signs.exec(text); found !== null; found = signs.exec(text)) {
    const { index: at } = found
    parts += 1
    if (found[0] !== '/') {
      const end = endOfText(text, at)
      const inside = text.slice(at, end)
      parts += lineEnds(inside)
      assertParts(parts)
      result += text.slice(from, at) + escapeLineEnds(inside)
      from = end
      signs.lastIndex = end + 1
    } else if (text[at + 1] === '/' || text[at + 1] === '*') {
      const end = endOfComment(text, at)
      // Without an end it is no comment, and the text no JSON.
      if (end === text.length && text[at + 1] === '*') break
      result += `${text.slice(from, at)} `
      from = end + 1
      signs.lastIndex = from
    }
    assertParts(parts)
    if (parts > slice) {
      slice = parts + partsInSlice
      yield
    }
  }
  return result + text.slice(from)
}

function lineEnds(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) if ('\n\r\t'.includes(text[at]!)) count += 1
  return count
}

function assertParts(parts: number): void {
  if (parts <= mostParts) return
  throw invalid(
    'it has too many texts, line ends and tabs in them, and comments',
    `at most ${mostParts} where it is not JSON`,
  )
}

/** Line ends and tabs that no backslash escapes: with one, a line end continues the text (JSON5, section 5.1). */
const unescaped = (['(?<!\\\\\r)\n', '\r', '\t'] as const).map(
  (sign) =>
    [new RegExp(`(?<=(?:^|[^\\\\])(?:\\\\\\\\)*)${sign}`, 'g'), JSON.stringify(sign.at(-1)).slice(1, -1)] as const,
)
const escapeLineEnds = (text: string): string =>
  unescaped.reduce((escaped, [sign, escape]) => escaped.replaceAll(sign, escape), text)

/**
 * Counts nesting and values before anything is built, and ends where there are too many. Brackets and commas in texts
 * and comments (including JSON5's) do not count.
 */
function assertShape(text: string): void {
  let [depth, deepest, values, texts, widest] = [0, 0, 0, 0, 0]
  /** Of the objects around the sign, by depth. */
  const members = [0]
  const signs = /["'/{}[\],:]/g
  for (let found = signs.exec(text); found !== null; found = signs.exec(text)) {
    const [sign] = found
    if (sign === '/') signs.lastIndex = endOfComment(text, found.index) + 1
    else if (sign === '"' || sign === "'") {
      signs.lastIndex = endOfText(text, found.index) + 1
      texts += 1
    } else if (sign === '}' || sign === ']') depth = Math.max(0, depth - 1)
    else if (sign === '{' || sign === '[') {
      deepest = Math.max(deepest, ++depth)
      members[depth] = 0
    } else if (sign === ':') widest = Math.max(widest, (members[depth] = (members[depth] ?? 0) + 1))
    values += jsonWeights.get(sign) ?? 0
    if (values > mostJsonValues || texts > mostJsonValues || widest > mostMembers) break
  }
  if (deepest > depthLimit) throw invalid(`it is nested ${deepest} levels deep`, `at most ${depthLimit} levels`)
  if (widest > mostMembers) throw invalid('it has an object with too many members', `at most ${mostMembers} members`)
  if (values > mostJsonValues || texts > mostJsonValues) throw invalid('it has too many values', allowedJsonValues)
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
  const lineEnd = /[\n\r\u2028\u2029]/g
  lineEnd.lastIndex = begin
  return lineEnd.exec(text)?.index ?? text.length
}

/**
 * A member of this name could become an object's prototype when copied carelessly. The depth was counted in the text.
 * A loop over names, without lists of them: a body has tens of thousands of members.
 */
function refuseProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const name in value) {
    if (name === '__proto__') throw invalid("it has a member named '__proto__'", 'no such member')
    refuseProto((value as Record<string, unknown>)[name])
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
