import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const most = 400

const linesOf = (text: string): number => text.trimEnd().split('\n').length
const lineCount = (file: string): number => linesOf(readFileSync(join(root, file), 'utf8'))

function typescriptFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.ts'], {
    cwd: root,
  })
  const deleted = execFileSync('git', ['ls-files', '--deleted', '-z', '*.ts'], { cwd: root }).toString().split('\0')
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

  it(`is ${most} lines at most: a file that grows beyond is parted by noun`, () => {
    const long = files.map((file) => ({ file, lines: lineCount(file) })).filter(({ lines }) => lines > most)
    expect(long).toEqual([])
    expect(linesOf(`${'x\n'.repeat(most + 1)}\n`)).toBe(most + 1)
  })
})
