import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readResult, resultOf } from './earlier.ts'
import { isBelow, isSource, relatedTests, sourcesOf } from './related.ts'
import { table } from './report.ts'
import { runMutants } from './run-mutants.ts'
import { placeOf, type Reasons, survivorsFile, withoutReason } from './survivors.ts'

/**
 * `npm run mutate -- [--changed] [--near] [--by PATH]… [--jobs N] [--sample N] [--again FILE] [--json FILE] [FILE or
 * folder…]`: exits with 1 if a mutant survives without a reason in survivors.json, or a reason has no mutant. Without
 * arguments it runs over all folders in docs/proof/mutation.md.
 */
const root = resolve(import.meta.dirname, '../..')
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    changed: { type: 'boolean', default: false },
    near: { type: 'boolean', default: false },
    by: { type: 'string', multiple: true, default: [] },
    jobs: { type: 'string', default: '2' },
    sample: { type: 'string' },
    again: { type: 'string' },
    json: { type: 'string', default: 'node_modules/.cache/strongroom/mutation.json' },
  },
})
const jobs = Number(values.jobs)
if (!(Number.isSafeInteger(jobs) && jobs > 0 && jobs <= 64)) throw new Error('--jobs takes a whole number from 1 to 64')
const sample = values.sample === undefined ? undefined : Number(values.sample)
if (sample !== undefined && !(Number.isSafeInteger(sample) && sample > 0))
  throw new Error('--sample takes a whole number above 0')

/** Folders in which 95 of 100 mutants must be killed. */
const guarded = [
  ...['snp', 'tdx', 'tpm', 'x509', 'tokens', 'bundle', 'checks'].map((name) => `packages/evidence/src/${name}`),
  'packages/policy/src',
  'packages/release-policy/src',
  'services/vault/src/release',
  ...['evidence', 'guest', 'tpm'].map((name) => `services/attestation/src/${name}`),
  'services/control-plane/src/arm',
  ...['resources/role-definitions', 'resources/authorization'].map((name) => `services/control-plane/src/${name}.ts`),
  ...['provenance', 'pins'].map((name) => `packages/trust/src/${name}`),
  ...['claims', 'customer', 'disk', 'firmware', 'guest-state', 'host-key', 'image', 'measurement'].map(
    (name) => `packages/trust/src/links/${name}-link.ts`,
  ),
  ...['settings', 'silicon', 'stateless', 'token', 'vtpm'].map((name) => `packages/trust/src/links/${name}-link.ts`),
  ...['fingerprint', 'restored', 'satisfied-policy', 'verifier'].map((name) => `packages/trust/src/links/${name}.ts`),
  ...['access', 'model', 'request', 'routes'].map(
    (name) => `services/control-plane/src/providers/keyvault/vault-${name}.ts`,
  ),
]

function changed(): string[] {
  const git = (...args: string[]): string[] => execFileSync('git', args, { cwd: root }).toString().split('\n')
  const base = git('merge-base', 'main', 'HEAD')[0]!
  const names = [
    ...git('diff', '--name-only', '--diff-filter=d', base),
    ...git('ls-files', '--others', '--exclude-standard'),
  ]
  return names.filter(isSource)
}

const asked = values.changed ? changed() : positionals.length > 0 ? positionals : guarded
const files = asked.length === 0 ? [] : sourcesOf(root, asked)
if (files.length === 0) {
  say('No source file changed.')
} else {
  const related = relatedTests(root, files, values.near)
  const idle = values.by.find((path) => !related.some((test) => isBelow(test, [path])))
  if (idle !== undefined) throw new Error(`--by ${idle}: no unit test there loads these files`)
  const tests = related.filter((test) => isBelow(test, values.by))
  if (tests.length === 0) throw new Error('no test of those that are to judge loads these files')
  say(`${files.length} files, ${tests.length} related test files`)
  const earlier = values.again === undefined ? undefined : readResult(resolve(root, values.again))
  const outcomes = await runMutants({ root, files, tests, jobs, sample, earlier, say })
  const reasons = JSON.parse(readFileSync(join(root, survivorsFile), 'utf8')) as Reasons
  const { strange, stale: missed } = withoutReason(root, outcomes, reasons)
  // Reasons of mutants outside the sample are not stale.
  const stale = sample === undefined ? missed : []
  const json = resolve(root, values.json)
  mkdirSync(dirname(json), { recursive: true })
  writeFileSync(json, `${JSON.stringify(resultOf(root, files, outcomes), undefined, 1)}\n`)
  for (const mutant of strange) {
    const place = placeOf(mutant, readFileSync(join(root, mutant.file), 'utf8').split('\n'))
    say(`${mutant.verdict} ${mutant.file}:${mutant.line} ${place.original}  →  ${place.replacement}`)
  }
  for (const { file, line, original, replacement } of stale)
    say(
      `${survivorsFile}: no mutant lives in ${file} for "${line}": ${original}  →  ${replacement}; take the reason out`,
    )
  say(table(outcomes))
  say(`${strange.length} live without a reason, ${stale.length} reasons without a mutant; all results: ${json}`)
  process.exitCode = strange.length + stale.length === 0 ? 0 : 1
}
