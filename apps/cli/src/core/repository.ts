import { join } from 'node:path'

const inRepository = /^(.*)\/apps\/cli\/(?:src|dist)(?:\/|$)/

/** The repository of a CLI module, whether it runs from the sources or from the bundle. */
export function repositoryOf(moduleDirectory: string): string {
  const found = inRepository.exec(moduleDirectory)?.[1]
  if (found === undefined) throw new Error(`${moduleDirectory} is in no apps/cli/src or apps/cli/dist`)
  return found
}

/** A server program: from the sources, or from the npm package that this module was bundled into (scripts/build-npm.ts). */
export function serverProgram(file: string): string {
  const directory = import.meta.dirname
  return inRepository.test(directory)
    ? join(repositoryOf(directory), 'apps/strongroomd/src', file)
    : join(directory, 'server', file.replace(/\.ts$/, '.js'))
}
