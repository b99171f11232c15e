import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRepository, repositoryOf } from '../core/repository.ts'
import { bundleDirectories, freshProgram, type BundleName } from './manifest.ts'

const builders = { cli: 'scripts/build-cli.ts', server: 'scripts/build-server.ts' }

/**
 * A program of the repository's current sources: from their bundle, rebuilt if they changed. Undefined if there is none
 * and this user may not make it, or cannot.
 */
export function bundledProgram(repository: string, bundle: BundleName, source: string): string | undefined {
  const fresh = freshProgram(repository, bundle, source)
  if (fresh !== undefined) return fresh
  try {
    accessSync(join(repository, dirname(bundleDirectories[bundle])), constants.W_OK)
  } catch {
    return undefined
  }
  const flags = ['--conditions=x-source', '--disable-warning=ExperimentalWarning']
  spawnSync(process.execPath, [...flags, join(repository, builders[bundle])], { stdio: 'ignore' })
  return freshProgram(repository, bundle, source)
}

/**
 * A program of strongroomd: of the repository, bundled or as its source, or of the npm package that this module was
 * bundled into (scripts/build-npm.ts).
 * @param source its file in apps/strongroomd/src
 */
export function serverProgram(source: string): string {
  const directory = import.meta.dirname
  if (!inRepository(directory)) return join(directory, 'server', source.replace(/\.ts$/, '.js'))
  const repository = repositoryOf(directory)
  return bundledProgram(repository, 'server', source) ?? join(repository, 'apps/strongroomd/src', source)
}
