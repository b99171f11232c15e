import type { Request } from './admission.ts'
import { apiVersionOf, nextLinkOf, pageOf } from './request.ts'

export interface PageOf<Item> {
  value: Item[]
  nextLink: string | null
}

/** Reads one more than the page, to see whether another page follows. */
export async function pageFrom<Item>(
  request: Request,
  path: string,
  read: (after: string, limit: number) => Promise<{ cursor: string; item: Item }[]>,
): Promise<PageOf<Item>> {
  const apiVersion = apiVersionOf(request.query)
  const { limit, after } = pageOf(request.query)
  const found = await read(after, limit + 1)
  const shownNow = found.slice(0, limit)
  const last = found.length > limit ? shownNow.at(-1)?.cursor : undefined
  return {
    value: shownNow.map((entry) => entry.item),
    nextLink: nextLinkOf({ host: request.hostname.toLowerCase(), path, apiVersion, limit, last }),
  }
}
