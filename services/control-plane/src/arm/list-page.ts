import type { Json, Resource, ResourceStore } from '../store/resources.ts'
import { keyOf } from './ids/resource-id.ts'
import { pageOf, replyWith } from './paging.ts'
import type { ArmReply, ArmRequest } from './request.ts'

export interface Listing<Internal> {
  /** Default: all types. */
  type?: string
  /** Id of the group, or of something in it; default: the whole subscription. */
  groupId?: string
  /** A further condition that the store cannot apply. */
  keep?: (resource: Resource<Internal>) => boolean
  view(resource: Resource<Internal>): Record<string, unknown> | Promise<Record<string, unknown>>
}

const batch = 256

/**
 * One page of a list of resources, read from the store as a page: a list costs what it shows, whatever its length.
 * @throws ServiceError InvalidQueryParameterValue
 */
export async function listPage<Internal = Json>(
  { resources }: { resources: ResourceStore },
  request: ArmRequest,
  o: Listing<Internal>,
): Promise<ArmReply> {
  const { size, after } = pageOf(request)
  const { type, groupId, keep = () => true } = o
  const filter = { ...(type !== undefined && { type }), ...(groupId !== undefined && { groupId }) }
  const found: Resource<Internal>[] = []
  // A selective filter reads several rows at a time; one more than the page shows whether there is a next one.
  const limit = o.keep === undefined ? size + 1 : Math.max(size + 1, batch)
  for (let from = after === undefined ? undefined : keyOf(after); found.length <= size;) {
    const rows = await resources.page<Internal>(filter, { limit, ...(from !== undefined && { after: from }) })
    found.push(...rows.filter((row) => keep(row)))
    if (rows.length < limit) break
    from = rows.at(-1)!.key
  }
  const shown = found.slice(0, size)
  const value = await Promise.all(shown.map(async (resource) => await o.view(resource)))
  return replyWith(request, value, found.length > size ? shown.at(-1)!.id : undefined)
}
