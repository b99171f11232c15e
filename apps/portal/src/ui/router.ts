import { signal, type ReadonlySignal } from '@preact/signals'

/** Names in a pattern such as `/machines/:group/:name`; `*` at the end matches the rest. */
export type Parameters<Pattern extends string> = Pattern extends `${infer Head}/${infer Rest}`
  ? Parameters<Head> & Parameters<Rest>
  : Pattern extends `:${infer Name}`
    ? Record<Name, string>
    : Pattern extends '*'
      ? { rest: string }
      : unknown

export interface Place {
  path: string
  query: URLSearchParams
}

const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) })
const current = signal<Place>(typeof location === 'undefined' ? { path: '/', query: new URLSearchParams() } : here())

/** The portal's current place. Every choice in a view (filter, order, tab) is part of it, so that a view can be shared. */
export const place: ReadonlySignal<Place> = current

export function navigate(address: string, o: { replace?: boolean } = {}): void {
  if (o.replace === true) history.replaceState(null, '', address)
  else history.pushState(null, '', address)
  current.value = here()
  if (o.replace !== true) window.scrollTo(0, 0)
}

/** Changes filters in the address without a history entry; an empty value removes one. */
export function setQuery(changes: Record<string, string | undefined>): void {
  const query = new URLSearchParams(place.value.query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') query.delete(name)
    else query.set(name, value)
  }
  const text = query.toString()
  navigate(place.value.path + (text === '' ? '' : `?${text}`), { replace: true })
}

/** @returns the named parts of the pattern, decoded; undefined for another path */
export function match<Pattern extends string>(pattern: Pattern, path: string): Parameters<Pattern> | undefined {
  const wanted = pattern.split('/')
  const given = path.split('/')
  const found: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const text = given[index]
    if (part === '*') return { ...found, rest: given.slice(index).join('/') } as Parameters<Pattern>
    if (text === undefined) return undefined
    if (!part.startsWith(':')) {
      if (part !== text) return undefined
      continue
    }
    const decoded = decode(text)
    if (decoded === undefined || decoded === '') return undefined
    found[part.slice(1)] = decoded
  }
  return wanted.length === given.length ? (found as Parameters<Pattern>) : undefined
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Follows Back and Forward, and clicks on internal links anywhere. */
export function startRouter(): void {
  addEventListener('popstate', () => {
    current.value = here()
  })
  addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    if (link.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return
    if (link.hash !== '' && link.pathname === location.pathname) return
    event.preventDefault()
    navigate(link.pathname + link.search + link.hash)
  })
}
