import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
  const lister = join(folder, 'lister')
  // As a server could answer that wants shells to run its names.
  const names = ['first', 'second', '$(touch ran)', '`touch ran`']
  writeFileSync(lister, `#!/bin/sh\n[ "$*" = 'completion names vm' ] && cat <<'END'\n${names.join('\n')}\nEND\n`, {
    mode: 0o755,
  })
  for (const shell of shells) {
    const script = execFileSync(join(root, 'strongroom'), ['completion', shell], { encoding: 'utf8' })
    writeFileSync(join(folder, shell), script.replaceAll(join(root, 'strongroom'), lister))
  }
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

  it('offers the names of VMs where one is to be named, and runs no part of a name', () => {
    expect(offered(shell, 'vm', 'show', '')).toEqual(expect.arrayContaining(['first', 'second']))
    expect(offered(shell, 'vm', 'trust', 'f')).toEqual(['first'])
    expect(offered(shell, 'vm', 'run-command', 'sec')).toEqual(['second'])
    expect(offered(shell, 'vm', 'create', 'f')).toEqual([])
    expect(existsSync(join(folder, 'ran'))).toBe(false)
  })
})

it('is refused for another shell, with exit code 2', () => {
  expect(() => execFileSync(join(root, 'strongroom'), ['completion', 'tcsh'], { stdio: 'pipe' })).toThrow(
    expect.objectContaining({ status: 2, stderr: expect.objectContaining({}) }),
  )
})

it('prints the version by word and by option', () => {
  const [word, option] = ['version', '--version'].map((each) =>
    execFileSync(join(root, 'strongroom'), [each], { encoding: 'utf8' }),
  )
  expect(word).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(word).toBe(option)
})

it('is silent about names while no server runs', () => {
  const env = { ...process.env, STRONGROOM_STATE_DIR: join(folder, 'none') }
  const asked = spawnSync(join(root, 'strongroom'), ['completion', 'names', 'vm'], { env, encoding: 'utf8' })
  expect([asked.status, asked.stdout, asked.stderr]).toEqual([0, '', ''])
})
