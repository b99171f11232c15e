import { createRequire } from 'node:module'
import { join } from 'node:path'

/** The server keeps its stores in node:sqlite and uses features of Node since this version. */
const leastServerNode = 24
/** The test API runs in the caller's Node, which may be this old. */
export const leastNode = '20.19.0'

const numbers = (version: string): number[] => version.split('.').map(Number)

/** Whether the version is at least the other. */
export function isAtLeast(version: string, least: string): boolean {
  const [found, wanted] = [numbers(version), numbers(least)]
  const differing = wanted.findIndex((part, index) => (found[index] ?? 0) !== part)
  return differing === -1 || (found[differing] ?? 0) > wanted[differing]!
}

/**
 * The Node that runs the server: this one if it is new enough, else that of the package `@strongroom/node-linux-ARCH`,
 * which contains only the binary, so that installing ours does not give projects' scripts another `node`. Undefined if
 * there is neither.
 */
export function serverNode(running: string = process.versions.node): string | undefined {
  if (isAtLeast(running, `${leastServerNode}.0.0`)) return process.execPath
  try {
    return createRequire(join(import.meta.dirname, 'here')).resolve(
      `@strongroom/node-${process.platform}-${process.arch}/bin/node`,
    )
  } catch {
    return undefined
  }
}

/** The error if there is no Node for the server. */
export const nodeTooOld = {
  code: 'NodeTooOld' as const,
  message: `Strongroom's server needs Node ${leastServerNode} or later, and the package that brings it is not installed.`,
  expected: `Node >= ${leastServerNode}, or @strongroom/node-${process.platform}-${process.arch}`,
  found: `Node ${process.versions.node}`,
  remedy: `Install Node ${leastServerNode}, or reinstall strongroom with its optional dependencies (npm install --include=optional).`,
}
