import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
/** Milliseconds: a copy of the repository, and tests in it. */
const patience = 1_200_000

/** A block of the page: a new file, or lines to add to one. */
interface Block {
  kind: 'ts' | 'diff'
  path: string
  text: string
}

/** Blocks with a file name, in the section with this heading. */
function blocksOf(heading: string): Block[] {
  const section = page.split(/^## /m).find((each) => each.startsWith(heading))
  if (section === undefined) throw new Error(`CONTRIBUTING.md has no section ${heading}`)
  return [...section.matchAll(/^( *)```(ts|diff) (\S+)\n([\s\S]*?)^ *```$/gm)].map(([, indent, kind, path, text]) => ({
    kind: kind as Block['kind'],
    path: path!,
    text: text!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }))
}

/** A file with a block's lines added, located by the block's other lines. */
function added(before: string, block: Block): string {
  const lines = block.text.trimEnd().split('\n')
  const old = lines.filter((line) => !line.startsWith('+')).map((line) => line.slice(1))
  const parts = before.split(`${old.join('\n')}\n`)
  if (parts.length !== 2) throw new Error(`${block.path} has these lines ${parts.length - 1} times: ${old.join(' / ')}`)
  return parts.join(`${lines.map((line) => line.slice(1)).join('\n')}\n`)
}

/** The repository's modules; the workspaces, which npm links by relative paths, are the copy's own. */
function linkModules(copy: string): void {
  const [from, to] = [join(root, 'node_modules'), join(copy, 'node_modules')]
  mkdirSync(to)
  for (const name of readdirSync(from)) if (name !== '@strongroom') symlinkSync(join(from, name), join(to, name))
  cpSync(join(from, '@strongroom'), join(to, '@strongroom'), { recursive: true, verbatimSymlinks: true })
}

describe('the walk-throughs of CONTRIBUTING.md', () => {
  let copy: string
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'strongroom-walk-'))
    const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root })
    const archive = execFileSync('tar', ['--null', '-T', '-', '-c'], { cwd: root, input: tracked, maxBuffer: 1 << 28 })
    execFileSync('tar', ['-x', '-C', copy], { input: archive })
    linkModules(copy)
  }, patience)
  afterEach(() => rmSync(copy, { recursive: true }))

  const read = (path: string): string => readFileSync(join(copy, path), 'utf8')
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    writeFileSync(join(copy, path), text)
  }
  const apply = (blocks: readonly Block[]): void => {
    for (const block of blocks) write(block.path, block.kind === 'ts' ? block.text : added(read(block.path), block))
  }
  /** @returns exit code, and the names of the tests that failed */
  const vitest = (...args: string[]): { code: number | null; failed: string } => {
    const options = ['run', '--reporter', 'json', '--outputFile', join(copy, 'results.json')]
    const { status } = spawnSync(join(root, 'node_modules/.bin/vitest'), [...options, ...args], { cwd: copy })
    const { testResults } = JSON.parse(read('results.json')) as {
      testResults: { assertionResults: { fullName: string; status: string }[] }[]
    }
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
    const failed = tests.filter((test) => test.status === 'failed').map(({ fullName }) => fullName)
    return { code: status, failed: failed.join('\n') }
  }

  it(
    'add a resource type: its lines stand in the reference page and the matrix of roles',
    () => {
      const blocks = blocksOf('Adding a resource type')
      expect(blocks.map(({ kind }) => kind)).toEqual(['ts', 'ts'])
      apply(blocks)
      const [, line = ''] = /`vitest (run --project 'unit\*' services\/control-plane[^`]+)`/.exec(page) ?? []
      const named = line.split(' ').slice(3)
      expect(named).toContain('--update')
      expect(vitest('--project', 'unit*', ...named.filter((each) => each !== '--update')).failed).toContain(
        'is the page',
      )
      expect(vitest('--project', 'unit*', ...named)).toEqual({ code: 0, failed: '' })
      const type = 'Microsoft.Compute/capacityReservationGroups'
      expect(read('docs/resource-types.md')).toContain(`| ${type} |`)
      expect(read('services/control-plane/src/rbac-matrix.golden.txt')).toContain(type)
    },
    patience,
  )

  it(
    'add a rule: its test fails without it, and passes with it',
    () => {
      const blocks = blocksOf('Adding a rule')
      expect(blocks.map(({ kind }) => kind)).toEqual(['diff', 'diff', 'diff'])
      const rule = blocks.filter(({ text }) => !text.includes("warn('EmptyValue'"))
      apply(rule)
      const { code, failed } = vitest('--project', 'unit*', 'packages/release-policy/src/lint.test.ts')
      expect([code, failed]).toEqual([1, 'linting a release policy warns of an empty value, and of no other'])
      apply(blocks.filter((block) => !rule.includes(block)))
      expect(vitest('--project', 'unit*', 'packages/release-policy')).toEqual({ code: 0, failed: '' })
    },
    patience,
  )

  it(
    'add a kind of evidence: a test fails where a step of it is left out',
    () => {
      const [, section = ''] = page.split('## Adding a kind of evidence\n')
      const steps = section.split(/^## /m)[0]!
      const at = (path: string): string => `packages/evidence/src/${path}`
      const left: [path: string, from: string, to: string][] = [
        ['bundle/binary.ts', "if (equal(bytes.subarray(0, 16), svsmManifestGuid)) return 'svsm-manifest'", ''],
        ['bundle/judge.ts', "this.#each('svsm-manifest')", '[]'],
        ['checks/check-svsm.ts', 'requireManifestBinding(found, nonce, o.reports)', 'undefined'],
      ]
      for (const [path, from, to] of left) {
        expect(steps).toContain(`\`${path}\``)
        const before = read(at(path))
        expect(before.split(from)).toHaveLength(2)
        write(at(path), before.replace(from, to))
        expect(vitest('--project', 'unit*', 'test/corpus/new-kinds.test.ts', '-t', 'SVSM').failed).toContain('SVSM')
        write(at(path), before)
      }
      expect(vitest('--project', 'unit*', 'test/corpus/new-kinds.test.ts', '-t', 'SVSM')).toEqual({
        code: 0,
        failed: '',
      })
    },
    patience,
  )
})
