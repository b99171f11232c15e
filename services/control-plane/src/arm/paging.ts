import { ServiceError } from '@strongroom/platform'
import { keyOf } from './ids/resource-id.ts'
import type { ArmReply, ArmRequest } from './request.ts'

/** Default page size. */
const pageSize = 1_000

interface Item {
  id: string
}

/**
 * Splits a complete list into pages (store-backed lists are read as pages: list-page.ts), with the next one's address
 * in `nextLink`. The position is the id of the last resource on a page: resources created or deleted meanwhile neither
 * hide nor duplicate another.
 * @throws ServiceError InvalidQueryParameterValue
 */
export function paged(request: ArmRequest, reply: ArmReply): ArmReply {
  const { body } = reply
  if (request.method !== 'GET' || reply.isPage === true || !isList(body)) return reply
  const { size, after } = pageOf(request)
  const from = after === undefined ? 0 : startAfter(body.value, after)
  const value = body.value.slice(from, from + size)
  if (after === undefined && size >= body.value.length) return reply
  const more = from + size < body.value.length
  return { ...reply, ...replyWith(request, value, more ? value.at(-1)!.id : undefined) }
}

/**
 * The requested page: a count, after the resource with this id.
 * @param standard the count, if none is requested
 * @throws ServiceError InvalidQueryParameterValue
 */
export function pageOf(request: ArmRequest, standard: number = pageSize): { size: number; after?: string } {
  const token = request.query['$skiptoken']
  const size = topOf(request.query['$top']) ?? standard
  return { size, ...(token !== undefined && { after: decode(token) }) }
}

/** @param last id of the last resource on the page, if there is a next page */
export function replyWith(request: ArmRequest, value: unknown[], last: string | undefined): ArmReply {
  if (last === undefined) return { status: 200, body: { value }, isPage: true }
  const query = new URLSearchParams({ ...request.query, $skiptoken: Buffer.from(last).toString('base64url') })
  const nextLink = `${request.origin}${request.path}?${query.toString()}`
  return { status: 200, body: { value, nextLink }, isPage: true }
}

/** Lists that page themselves, and lists of other things than resources, are unchanged. */
function isList(body: unknown): body is { value: Item[] } {
  if (typeof body !== 'object' || body === null || 'nextLink' in body || !('value' in body)) return false
  return (
    Array.isArray(body.value) &&
    body.value.length > 0 &&
    body.value.every((item: unknown) => typeof (item as Item | null)?.id === 'string')
  )
}

/** If the resource itself is gone: lists are in id order. */
function startAfter(items: Item[], id: string): number {
  const exact = items.findIndex((item) => item.id === id)
  if (exact !== -1) return exact + 1
  const next = items.findIndex((item) => keyOf(item.id) > keyOf(id))
  return next === -1 ? items.length : next
}

function topOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= pageSize) return Number(text)
  throw invalidQuery('$top', `1 to ${pageSize}`, text)
}

function decode(token: string): string {
  const id = Buffer.from(token, 'base64url').toString('utf8')
  if (id.startsWith('/')) return id
  throw invalidQuery('$skiptoken', 'a value from a nextLink', token)
}

export const invalidQuery = (name: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'InvalidQueryParameterValue',
    message: `The value of the query parameter '${name}' is invalid.`,
    target: name,
    expected,
    found: found.slice(0, 60),
    remedy: 'Follow nextLink unchanged.',
  })
