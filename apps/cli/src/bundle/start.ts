import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createRequire, enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repositoryOf } from '../core/repository.ts'
import { bundleDirectory, freshBundle } from './manifest.ts'

const repository = repositoryOf(import.meta.dirname)

/** Builds the bundle if this user may; errors here do not fail the command. */
function make(): string | undefined {
  try {
    accessSync(join(repository, 'apps/cli'), constants.W_OK)
  } catch {
    return undefined
  }
  spawnSync(process.execPath, [...process.execArgv, join(repository, 'scripts/build-cli.ts')], { stdio: 'ignore' })
  return freshBundle(repository)
}

// Always runs the current sources: their bundle, rebuilt if they changed, or else the sources directly.
const bundle = freshBundle(repository) ?? make()
if (bundle === undefined) {
  void import(pathToFileURL(join(repository, 'apps/cli/src/main.ts')).href)
} else {
  enableCompileCache(join(repository, bundleDirectory, 'compile'))
  createRequire(bundle)(bundle)
}
