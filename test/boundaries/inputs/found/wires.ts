type Node = string | readonly Node[] | { readonly [name: string]: Node }

/** Keys of lines of a key and a value. */
export const linesOf = (of: string, lines: string): string[] => [
  ...new Set(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => `${of} ${line.split(' ')[0]}`),
  ),
]

/** Paths of a document's values: `compute.tagsList[].name`. */
export function leavesOf(node: Node, path = ''): Set<string> {
  if (typeof node === 'string') return new Set([path])
  const inner = Array.isArray(node)
    ? (node as Node[]).map((each) => leavesOf(each, `${path}[]`))
    : Object.entries(node).map(([name, each]) => leavesOf(each, path === '' ? name : `${path}.${name}`))
  return new Set(inner.flatMap((each) => [...each]))
}

/** Routes that sources of a server declare. Constants of their paths are replaced with where they lead. */
export function routesIn(texts: readonly string[]): string[] {
  const routes = texts.flatMap((text) => {
    const [, path = ''] = /^const path = '\/metadata\/strongroom(\/\w+)'/m.exec(text) ?? []
    return [...text.matchAll(/\.(get|post)(?:<[^(]*>)?\(\s*['`]([^'`]*)['`]/g)]
      .filter(([, , at]) => /^[/$]/.test(at!))
      .map(([, method, at]) => `${method!.toUpperCase()} ${at!.replace('${path}', path)}`)
  })
  return [...new Set(routes.map((route) => route.replace('${cloudInitPath}/${name}', '/cloud-init/:file')))]
}
