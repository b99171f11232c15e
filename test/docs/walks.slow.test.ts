import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyRepository, runTestsIn } from '../scratch-copy.ts'

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

describe('the walk-throughs of CONTRIBUTING.md', () => {
  let copy: string
  beforeEach(() => {
    copy = copyRepository()
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
    const { code, tests } = runTestsIn(copy, args)
    const failed = tests.filter((test) => test.status === 'failed').map(({ fullName }) => fullName)
    return { code, failed: failed.join('\n') }
  }

  it(
    'add a resource type: its lines stand in the reference page and the matrix of roles',
    () => {
      const blocks = blocksOf('Adding a resource type')
      expect(blocks.map(({ kind }) => kind)).toEqual(['ts', 'ts', 'diff', 'diff', 'diff'])
      apply(blocks)
      const [, line = ''] = /`vitest (run --project 'unit\*' services\/control-plane[^`]+)`/.exec(page) ?? []
      const named = line.split(' ').slice(3)
      expect(named).toContain('--update')
      expect(vitest('--project', 'unit*', ...named.filter((each) => each !== '--update')).failed).toContain(
        'is the page',
      )
      expect(vitest('--project', 'unit*', ...named)).toEqual({ code: 0, failed: '' })
      const type = 'Microsoft.Compute/capacityReservationGroups'
      expect(read('docs/reference/resource-types.md')).toContain(`| ${type} |`)
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
        ['bundle/pieces/binary.ts', "if (equal(bytes.subarray(0, 16), svsmManifestGuid)) return 'svsm-manifest'", ''],
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
