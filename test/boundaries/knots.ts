import { dirname, join } from 'node:path'
import { isTest, type Import } from './import-rules.ts'

/** Knots that are still there. The list may only shrink. */
export const knotted: Record<string, readonly string[][]> = {}

/** Folders under `src` at their own depth, with those that they import; files directly in `src` are the folder `.`. */
function folderImports(all: readonly Import[], workspace: string): Map<string, Set<string>> {
  const src = `${workspace}/src/`
  const folderOf = (file: string): string => dirname(file).slice(src.length) || '.'
  const edges = new Map<string, Set<string>>()
  for (const entry of all) {
    if (entry.workspace !== workspace || !entry.specifier.startsWith('.') || isTest(entry.file)) continue
    const target = join(dirname(entry.file), entry.specifier)
    if (!target.startsWith(src)) continue
    const [from, to] = [folderOf(entry.file), folderOf(target)]
    if (from !== to) edges.set(from, (edges.get(from) ?? new Set()).add(to))
  }
  return edges
}

/** Each knot of a workspace: two or more folders each of which leads to each other by imports, of types too. */
export function knotsOf(all: readonly Import[], workspace: string): string[][] {
  const edges = folderImports(all, workspace)
  const reachOf = (start: string): Set<string> => {
    // A set that is iterated also yields what is added meanwhile.
    const reached = new Set(edges.get(start))
    for (const folder of reached) for (const next of edges.get(folder) ?? []) reached.add(next)
    return reached
  }
  const reach = new Map([...edges.keys()].map((folder) => [folder, reachOf(folder)]))
  const knots = new Map<string, string[]>()
  for (const [folder, reached] of reach) {
    if (!reached.has(folder)) continue
    const knot = [...reached].filter((other) => reach.get(other)?.has(folder) === true).toSorted()
    knots.set(knot.join(' '), knot)
  }
  return [...knots.values()]
}

/** Knots that are not listed, and listed ones that are not there as listed, one per line. */
export function knotFaults(all: readonly Import[], listed: Readonly<Record<string, readonly string[][]>>): string[] {
  const workspaces = new Set([...all.map(({ workspace }) => workspace), ...Object.keys(listed)])
  return [...workspaces].flatMap((workspace) => {
    const found = knotsOf(all, workspace).map((knot) => knot.join(' '))
    const known = (listed[workspace] ?? []).map((knot) => knot.join(' '))
    return [
      ...found.filter((knot) => !known.includes(knot)).map((knot) => `${workspace} has the knot ${knot}`),
      ...known.filter((knot) => !found.includes(knot)).map((knot) => `${workspace} has no longer the knot ${knot}`),
    ]
  })
}
