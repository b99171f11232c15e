import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'
import { resourceTypeFiles } from '../services/control-plane/src/resource-type-files.ts'
import { root } from './bundle.ts'

/** Programs of strongroomd, in apps/strongroomd/src. */
export const serverPrograms: readonly string[] = ['main.ts', 'master-key.ts', 'installation-copy.ts']

/** Modules find their data files by `placeOf`, at the same relative place as in the sources. */
const places: Plugin = {
  name: 'places',
  setup: (builder) => {
    builder.onLoad({ filter: /\/(apps\/strongroomd|services|packages)\/.*\.ts$/ }, ({ path }) => {
      const place = path.slice(root.length + 1)
      if (place === 'services/control-plane/src/resource-types.ts')
        return { contents: resourceTypesModule(), loader: 'ts', resolveDir: dirname(path) }
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.dirname')) return undefined
      return {
        contents: text.replaceAll('import.meta.dirname', `placeOf(${JSON.stringify(dirname(place))})`),
        loader: 'ts',
      }
    })
  },
}

/** The module that finds descriptions by file name, with the files listed. */
function resourceTypesModule(): string {
  const imports = resourceTypeFiles().map((file, index) => `import * as m${index} from './${file}'`)
  const all = imports.map((_, index) => `...m${index}.resourceTypes`)
  return (
    "import { ResourceTypes } from './types/registry.ts'\n" +
    `${imports.join('\n')}\nexport const resourceTypes = new ResourceTypes([${all.join(', ')}])\n`
  )
}

/** @param data where the sources' folders with data files are, from the bundle */
export const serverBundle = (data: string): BuildOptions => ({
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  conditions: ['x-source'],
  legalComments: 'none',
  metafile: true,
  // Native and usually absent: without it the server says so.
  external: ['pkcs11js', 'pg-native'],
  plugins: [places],
  banner: {
    js: [
      "import { createRequire as createRequireHere } from 'node:module'",
      "import { join as joinHere } from 'node:path'",
      'const require = createRequireHere(import.meta.url)',
      `const placeOf = (place) => joinHere(import.meta.dirname, ${JSON.stringify(data)}, place)`,
    ].join('\n'),
  },
  entryPoints: serverPrograms.map((name) => `apps/strongroomd/src/${name}`),
})
