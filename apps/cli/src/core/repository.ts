import { join } from 'node:path'

/** Folder of the repository that a module of the CLI lies in, whether it runs from the sources or from the bundle. */
export function repositoryOf(moduleDirectory: string): string {
  const found = /^(.*)\/apps\/cli\/(?:src|dist)(?:\/|$)/.exec(moduleDirectory)?.[1]
  if (found === undefined) throw new Error(`${moduleDirectory} is in no apps/cli/src or apps/cli/dist`)
  return found
}

/** A program of the server, as the sources have it. */
export const serverProgram = (file: string): string =>
  join(repositoryOf(import.meta.dirname), 'apps/strongroomd/src', file)
