import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'
import { browserSettings } from './build-portal.ts'

/**
 * Builds the inspector as a folder of static files that anyone can host, at any path: no server, and no request after
 * it is loaded.
 *   npm run portal:inspector -- DIR
 */
const root = resolve(import.meta.dirname, '..')

/** The page's own policy: run its own files, and connect to nothing. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const page = (script: string, style: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta name="referrer" content="no-referrer" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Inspector · Strongroom</title>
    <link rel="icon" href="icon.svg" />
    <link rel="stylesheet" href="${style}" />
    <script type="module" src="${script}"></script>
  </head>
  <body>
    <div id="portal"></div>
    <noscript>The inspector needs JavaScript: it verifies evidence in your own browser.</noscript>
  </body>
</html>
`

/** @param directory is created; must be empty if it exists */
export async function buildInspector(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true })
  if (readdirSync(directory).length > 0) throw new Error(`${directory} is not empty: name a new folder`)
  const entries = { script: 'apps/portal/src/inspector/standalone.tsx', style: 'apps/portal/src/style/style.css' }
  const { outputFiles, metafile } = await build({
    ...browserSettings,
    entryPoints: Object.values(entries),
    outdir: directory,
  })
  const nameOf = (entry: string): string => {
    const [path] = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry)!
    return resolve(root, path).slice(resolve(directory).length + 1)
  }
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, contents)
  }
  writeFileSync(join(directory, 'index.html'), page(nameOf(entries.script), nameOf(entries.style)))
  copyFileSync(join(root, 'apps/portal/static/icon.svg'), join(directory, 'icon.svg'))
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2)
  if (directory === undefined) {
    process.stderr.write('Name the folder to make: npm run portal:inspector -- DIR\n')
    process.exitCode = 2
  } else {
    await buildInspector(resolve(directory))
    process.stdout.write(`${resolve(directory)}: serve it from any place\n`)
  }
}
