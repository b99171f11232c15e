import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-completion-'))
  writeFileSync(join(folder, 'disk one.qcow2'), '')
  for (const shell of shells)
    writeFileSync(join(folder, shell), execFileSync(join(root, 'strongroom'), ['completion', shell]))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The shell's completions of the last word. zsh's own `compadd` works only in its line editor. */
const asking: Record<Shell, (words: string[]) => string[]> = {
  bash: (words) => [
    '-c',
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _strongroom; printf "%s\\n" "${COMPREPLY[@]}"',
    'bash',
    join(folder, 'bash'),
    ...words,
  ],
  zsh: (words) => [
    '-fc',
    `compdef() { }
     compadd() { shift; local each; for each in "$@"; do [[ $each == "\${words[CURRENT]}"* ]] && print -r -- "$each"; done; true }
     _files() { print -rl -- *"\${words[CURRENT]}"*(N) }
     source "$1"; shift; words=("$@"); CURRENT=$#; _strongroom`,
    'zsh',
    join(folder, 'zsh'),
    ...words,
  ],
  fish: (words) => [
    '--no-config',
    '-c',
    'source $argv[1]; complete -C "$argv[2]"',
    join(folder, 'fish'),
    words.join(' '),
  ],
}

const offered = (shell: Shell, ...words: string[]): string[] =>
  execFileSync(shell, asking[shell](['strongroom', ...words]), { cwd: folder, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!.replaceAll('\\ ', ' '))

describe.each(shells)('completion in %s', (shell) => {
  it('offers the commands, at every depth', () => {
    expect(offered(shell, '')).toEqual(expect.arrayContaining(['vm', 'up', 'completion']))
    expect(offered(shell, 'vm', 'l')).toEqual(['list'])
    expect(offered(shell, 'cost', 'prices', '').filter((word) => !word.startsWith('-'))).toEqual(['set', 'show'])
  })

  it('offers the options of a command, and of no other', () => {
    const options = offered(shell, 'vm', 'list', '--')
    expect(options).toEqual(expect.arrayContaining(['--watch', '--output', '--resource-group']))
    expect(options).not.toContain('--tee')
    expect(offered(shell, 'vm', 'create', 'a', '--no-')).toEqual(
      expect.arrayContaining(['--no-wait', '--no-secure-boot']),
    )
  })

  it('offers the values that an option may have', () => {
    expect(offered(shell, 'vm', 'wait', 'a', '--for', 'd')).toEqual(['deallocated', 'deleted'])
    expect(offered(shell, 'vm', 'list', '-o', '').toSorted()).toEqual(['json', 'jsonc', 'none', 'table', 'tsv', 'yaml'])
  })

  it('offers files where a file is to be named', () => {
    expect(offered(shell, 'image', 'import', 'disk')).toEqual(['disk one.qcow2'])
    expect(offered(shell, 'vm', 'create', 'a', '--ssh-key', 'disk')).toEqual(['disk one.qcow2'])
  })
})

it('is refused for another shell, with exit code 2', () => {
  expect(() => execFileSync(join(root, 'strongroom'), ['completion', 'tcsh'], { stdio: 'pipe' })).toThrow(
    expect.objectContaining({ status: 2, stderr: expect.objectContaining({}) }),
  )
})
