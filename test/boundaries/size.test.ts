import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const most = 400
const mostBeside = 25
/** Folders that still have to be split. */
const crowdedStill: string[] = []

const linesOf = (text: string): number => text.trimEnd().split('\n').length
const lineCount = (file: string): number => linesOf(readFileSync(join(root, file), 'utf8'))

function typescriptFiles(): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.ts', '*.tsx'],
    {
      cwd: root,
    },
  )
  const deleted = execFileSync('git', ['ls-files', '--deleted', '-z', '*.ts', '*.tsx'], { cwd: root })
    .toString()
    .split('\0')
  return listed
    .toString()
    .split('\0')
    .filter((file) => file !== '' && !deleted.includes(file))
}

describe('the size of files', () => {
  const files = typescriptFiles()

  it('is looked at in every folder that has code', () => {
    const folders = new Set(files.map((file) => file.split('/')[0]))
    expect([...folders]).toEqual(expect.arrayContaining(['apps', 'fuzz', 'packages', 'services', 'test']))
  })

  it(`is ${most} lines at most: a file that grows beyond is split by noun`, () => {
    const long = files.map((file) => ({ file, lines: lineCount(file) })).filter(({ lines }) => lines > most)
    expect(long).toEqual([])
    expect(linesOf(`${'x\n'.repeat(most + 1)}\n`)).toBe(most + 1)
  })
})

describe('folders of sources', () => {
  const crowded = (files: string[]): string[] => {
    const folders = Map.groupBy(files, (file) => dirname(file))
    return [...folders].flatMap(([folder, { length }]) => (length > mostBeside ? [`${folder}: ${length}`] : []))
  }

  it(`have ${mostBeside} files at most beside each other, tests apart`, () => {
    const sources = typescriptFiles().filter((file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file))
    const found = crowded(sources.filter((file) => !file.endsWith('.test.ts'))).map((each) => each.split(':')[0] ?? '')
    expect(found.toSorted()).toEqual(crowdedStill)
    expect(crowded(Array.from({ length: mostBeside + 1 }, (_, index) => `a/b/${index}.ts`))).toEqual(['a/b: 26'])
  })
})
