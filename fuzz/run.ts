/**
 * `npm run fuzz -- [--minutes N] [--target NAME]…`: bundles the targets, writes the seeds and gives each target its
 * share of the time under jazzer.js (libFuzzer with coverage). Exits with 1 at the first crash or input that exceeds 50
 * ms of processor time or the memory limit, and prints where the input is stored. Inputs that reach new code are kept
 * next to the seeds.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { build } from 'esbuild'
import { makeSeeds } from './seeds.ts'

const here = import.meta.dirname
const store = join(here, 'node_modules/.cache/strongroom-fuzz')
/** Longest input, in bytes. */
const maximumLength = 64 * 1024
/** Limits on memory: of the whole process with fuzzer and coverage, and of JavaScript's heap in it. */
const megabytes = { process: 768, heap: 384 }

const jazzer = join(here, 'node_modules/@jazzer.js/core/dist/cli.js')
if (!existsSync(jazzer)) {
  // A separate package tree: the fuzzer is not needed to build, test or run anything else.
  await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: here })
}

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, target: { type: 'string', multiple: true } },
})
const minutes = Number(values.minutes)
if (!(minutes > 0)) throw new Error('--minutes takes a number above 0')

const seeds = await makeSeeds()
const names = values.target ?? Object.keys(seeds)
const unknown = names.filter((name) => seeds[name] === undefined)
if (unknown.length > 0)
  throw new Error(`No such target: ${unknown.join(', ')}. There are ${Object.keys(seeds).join(', ')}`)

const bundle = join(store, 'targets.cjs')
await build({
  entryPoints: [join(here, 'targets.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'es2022',
  conditions: ['x-source'],
  plugins: [
    {
      // Modules read data files beside them, which the bundle's folder lacks.
      name: 'dirname',
      setup: (bundler) =>
        bundler.onLoad({ filter: /\/(services|packages)\/.*\.ts$/ }, async ({ path }) => ({
          contents: (await readFile(path, 'utf8')).replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
          loader: 'ts',
        })),
    },
  ],
})

const seconds = Math.max(5, Math.floor((minutes * 60) / names.length))
let failed = false
for (const name of names) {
  const corpus = join(store, 'corpus', name)
  await mkdir(corpus, { recursive: true })
  for (const seed of seeds[name] ?? []) {
    await writeFile(join(corpus, createHash('sha1').update(seed).digest('hex')), seed)
  }
  if (!(await fuzz(name, corpus))) {
    failed = true
    break
  }
}
process.exitCode = failed ? 1 : 0

async function fuzz(name: string, corpus: string): Promise<boolean> {
  const findings = join(store, 'findings', name)
  await mkdir(findings, { recursive: true })
  const engine = [
    `-max_total_time=${seconds}`,
    `-max_len=${maximumLength}`,
    '-len_control=20',
    '-timeout=5',
    `-rss_limit_mb=${megabytes.process}`,
    `-artifact_prefix=${findings}/`,
    '-print_final_stats=1',
  ]
  // The bug detectors look for shells and prototypes, which byte parsers do not touch.
  const args = [
    jazzer,
    bundle,
    '-f',
    name,
    '--sync',
    '-i',
    'strongroom-fuzz',
    '--disableBugDetectors',
    '.*',
    corpus,
    '--',
    ...engine,
  ]
  const child = spawn(process.execPath, [`--max-old-space-size=${megabytes.heap}`, ...args], {
    cwd: here,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-200_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise<number | null>((ended) => child.on('close', ended))
  const runs = /stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? '?'
  const memory = /stat::peak_rss_mb:\s*(\d+)/.exec(output)?.[1] ?? '?'
  const covered = [...output.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? '?'
  const good = code === 0
  process.stdout.write(
    `${name.padEnd(16)} ${good ? 'ok    ' : 'FAILED'} ${runs} runs, coverage ${covered}, ${memory} MB, ${seconds} s\n`,
  )
  if (!good) {
    process.stdout.write(`${output.split('\n').slice(-60).join('\n')}\ninputs: ${relative(process.cwd(), findings)}\n`)
  }
  return good
}
