const place = /^(.*)\/apps\/cli\/(?:src|dist)(?:\/|$)/

/** Whether a CLI module runs in the repository, from the sources or from the bundle. */
export const inRepository = (moduleDirectory: string): boolean => place.test(moduleDirectory)

/** The repository of such a module. */
export function repositoryOf(moduleDirectory: string): string {
  const found = place.exec(moduleDirectory)?.[1]
  if (found === undefined) throw new Error(`${moduleDirectory} is in no apps/cli/src or apps/cli/dist`)
  return found
}
