/**
 * The request target as the routes expect it: doubled slashes made one, the trailing one removed, an absolute form (RFC
 * 9112 section 3.2.2) reduced to its path. Percent-encoding is left to the router, so an encoded slash in a parameter
 * never becomes a separator. The query is unchanged: its parser decodes keys (`api%2Dversion`).
 */
export function normaliseUrl(target: string): string {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)
  const local = absolute ? target.slice(absolute[0].length) : target
  const question = local.indexOf('?')
  const path = question === -1 ? local : local.slice(0, question)
  const query = question === -1 ? '' : local.slice(question)
  let normal = path.replaceAll(/\/{2,}/g, '/')
  if (normal.length > 1 && normal.endsWith('/')) normal = normal.slice(0, -1)
  if (!normal.startsWith('/')) normal = `/${normal}`
  return normal + query
}
