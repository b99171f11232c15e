import { dirname, join } from 'node:path'
import { isTest, type Import } from './import-rules.ts'

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

/**
 * Knots of a workspace, as the folders' names: two or more folders each of which leads to each other by imports, of types
 * too. What leads there by `import()` counts as well.
 */
export function knotsOf(all: readonly Import[], workspace: string): string[] {
  const edges = folderImports(all, workspace)
  const reachOf = (start: string): Set<string> => {
    // A set that is iterated also yields what is added meanwhile.
    const reached = new Set(edges.get(start))
    for (const folder of reached) for (const next of edges.get(folder) ?? []) reached.add(next)
    return reached
  }
  const reach = new Map([...edges.keys()].map((folder) => [folder, reachOf(folder)]))
  const knots = [...reach]
    .filter(([folder, reached]) => reached.has(folder))
    .map(([folder, reached]) => [...reached].filter((other) => reach.get(other)?.has(folder) === true))
  return [...new Set(knots.map((knot) => knot.toSorted().join(' ')))]
}
