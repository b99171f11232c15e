import { ServiceError } from '@strongroom/platform'
import { keyOf } from './resource-id.ts'
import type { ArmReply, ArmRequest } from './request.ts'

/** Resources on one page where the client does not ask for fewer. */
const pageSize = 1_000

interface Item {
  id: string
}

/**
 * A list of resources in pages, with the address of the next one in `nextLink`. The place in the list is the id of the last
 * resource on a page: what is made or deleted meanwhile neither hides nor doubles another one.
 * @throws ServiceError InvalidQueryParameterValue
 */
export function paged(request: ArmRequest, reply: ArmReply): ArmReply {
  const { body } = reply
  if (request.method !== 'GET' || !isList(body)) return reply
  const token = request.query['$skiptoken']
  const size = topOf(request.query['$top']) ?? pageSize
  const from = token === undefined ? 0 : startAfter(body.value, decode(token))
  const value = body.value.slice(from, from + size)
  const last = value.at(-1)
  if (last === undefined || from + size >= body.value.length)
    return token === undefined ? reply : { ...reply, body: { value } }
  const query = new URLSearchParams({ ...request.query, $skiptoken: Buffer.from(last.id).toString('base64url') })
  return { ...reply, body: { value, nextLink: `${request.origin}${request.path}?${query.toString()}` } }
}

/** Lists that page themselves, and those of what is no resource, stay as they are. */
function isList(body: unknown): body is { value: Item[] } {
  if (typeof body !== 'object' || body === null || 'nextLink' in body || !('value' in body)) return false
  return (
    Array.isArray(body.value) &&
    body.value.length > 0 &&
    body.value.every((item: unknown) => typeof (item as Item | null)?.id === 'string')
  )
}

/** Where the resource itself is gone: lists are in the order of their ids. */
function startAfter(items: Item[], id: string): number {
  const exact = items.findIndex((item) => item.id === id)
  if (exact !== -1) return exact + 1
  const next = items.findIndex((item) => keyOf(item.id) > keyOf(id))
  return next === -1 ? items.length : next
}

function topOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= pageSize) return Number(text)
  throw invalid('$top', `1 to ${pageSize}`, text)
}

function decode(token: string): string {
  const id = Buffer.from(token, 'base64url').toString('utf8')
  if (id.startsWith('/')) return id
  throw invalid('$skiptoken', 'what a nextLink has', token)
}

const invalid = (name: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'InvalidQueryParameterValue',
    status: 400,
    message: `The value of the query parameter '${name}' is invalid.`,
    target: name,
    expected,
    found: found.slice(0, 60),
    remedy: 'Follow nextLink as it is.',
  })
