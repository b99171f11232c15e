import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createRequire, enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repositoryOf } from '../core/repository.ts'
import { bundleDirectory, freshBundle } from './manifest.ts'

const repository = repositoryOf(import.meta.dirname)

/** Makes the bundle, where this user may; what goes wrong there is no failure of the command. */
function make(): string | undefined {
  try {
    accessSync(join(repository, 'apps/cli'), constants.W_OK)
  } catch {
    return undefined
  }
  spawnSync(process.execPath, [...process.execArgv, join(repository, 'scripts/build-cli.ts')], { stdio: 'ignore' })
  return freshBundle(repository)
}

// What runs is always of today's sources: the bundle of them, recreated where they have changed, or else they themselves.
const bundle = freshBundle(repository) ?? make()
if (bundle === undefined) {
  void import(pathToFileURL(join(repository, 'apps/cli/src/main.ts')).href)
} else {
  enableCompileCache(join(repository, bundleDirectory, 'compile'))
  createRequire(bundle)(bundle)
}
