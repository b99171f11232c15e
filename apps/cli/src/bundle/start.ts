import { createRequire, enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repositoryOf } from '../core/repository.ts'
import { bundleDirectories } from './manifest.ts'
import { bundledProgram } from './program.ts'

const repository = repositoryOf(import.meta.dirname)

// Always runs the current sources: their bundle, rebuilt if they changed, or else the sources directly.
const bundle = bundledProgram(repository, 'cli', 'main.ts')
if (bundle === undefined) {
  void import(pathToFileURL(join(repository, 'apps/cli/src/main.ts')).href)
} else {
  enableCompileCache(join(repository, bundleDirectories.cli, 'compile'))
  createRequire(bundle)(bundle)
}
