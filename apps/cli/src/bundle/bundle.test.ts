import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { repositoryOf } from '../core/repository.ts'

const root = repositoryOf(import.meta.dirname)
const folders = ['strongroom', 'scripts', 'package.json', 'package-lock.json', 'apps/cli/package.json', 'apps/cli/src']

/** The source that the tests change. */
const changed = 'apps/cli/src/core/program.ts'

/** A separate repository, as set-up leaves it: the command line's sources, and links to the npm packages. */
function repository(o: { without?: string } = {}): string {
  const copy = mkdtempSync(join(tmpdir(), 'strongroom-bundle-'))
  onTestFinished(() => rmSync(copy, { recursive: true }))
  for (const each of folders) cpSync(join(root, each), join(copy, each), { recursive: true })
  for (const each of readdirSync(join(root, 'packages'))) {
    for (const part of ['package.json', 'src'])
      cpSync(join(root, 'packages', each, part), join(copy, 'packages', each, part), { recursive: true })
  }
  // A timestamp that can be restored exactly.
  utimesSync(join(copy, changed), 1_700_000_000, 1_700_000_000)
  const modules = join(copy, 'node_modules')
  mkdirSync(join(modules, '@strongroom'), { recursive: true })
  for (const each of readdirSync(join(root, 'node_modules')).filter((name) => name !== '.strongroom-lock'))
    if (!['@strongroom', o.without].includes(each)) symlinkSync(join(root, 'node_modules', each), join(modules, each))
  for (const each of readdirSync(join(copy, 'packages')))
    symlinkSync(join(copy, 'packages', each), join(modules, '@strongroom', each))
  writeFileSync(join(modules, '.strongroom-lock'), sha256sum(join(copy, 'package-lock.json')))
  return copy
}

const sha256sum = (file: string): string => execFileSync('sha256sum', [file], { encoding: 'utf8' }).split(' ')[0]!

const versionOf = (copy: string): string =>
  execFileSync(join(copy, 'strongroom'), ['--version'], { encoding: 'utf8' }).trim()

const programIn = (copy: string): string =>
  join(
    copy,
    'apps/cli/dist',
    readdirSync(join(copy, 'apps/cli/dist')).find((file) => /^main-.*\.cjs$/.test(file))!,
  )

/** Other content with the file's size and timestamp. */
function changeUnseen(copy: string): void {
  const file = join(copy, changed)
  const { atime, mtime, mtimeMs, size } = statSync(file)
  const text = readFileSync(file, 'utf8')
  expect(text.split("'0.1.0'")).toHaveLength(2)
  writeFileSync(file, text.replace("'0.1.0'", "'0.1.1'"))
  utimesSync(file, atime, mtime)
  expect([statSync(file).size, statSync(file).mtimeMs]).toEqual([size, mtimeMs])
}

describe('the bundle of the command line', () => {
  it('is made by the first start, and is what runs', () => {
    const copy = repository()
    expect(versionOf(copy)).toBe('0.1.0')
    const program = programIn(copy)
    const made = readFileSync(program, 'utf8')
    writeFileSync(program, 'console.log("the bundle ran")')
    expect(versionOf(copy)).toBe('the bundle ran')
    expect(made).toContain('A confidential-VM cloud that anyone can run.')
  })

  it('never runs in place of sources that changed, were it to the same size and date', () => {
    const copy = repository()
    expect(versionOf(copy)).toBe('0.1.0')
    changeUnseen(copy)
    expect(versionOf(copy)).toBe('0.1.1')
    writeFileSync(programIn(copy), 'console.log("recreated")')
    expect(versionOf(copy)).toBe('recreated')
  })

  it('is left out where it cannot be recreated: the sources run', () => {
    const copy = repository()
    expect(versionOf(copy)).toBe('0.1.0')
    rmSync(join(copy, 'node_modules/esbuild'))
    changeUnseen(copy)
    writeFileSync(programIn(copy), 'console.log("stale")')
    expect(versionOf(copy)).toBe('0.1.1')
  })

  it('need not be there at all', () => {
    const copy = repository({ without: 'esbuild' })
    expect(versionOf(copy)).toBe('0.1.0')
    expect(existsSync(join(copy, 'apps/cli/dist'))).toBe(false)
  })
})

describe('the bundle of the server', () => {
  const whole = (): string => {
    const copy = repository()
    for (const each of ['services', 'apps/strongroomd'])
      cpSync(join(root, each), join(copy, each), { recursive: true, filter: (path) => !path.endsWith('/dist') })
    for (const each of readdirSync(join(copy, 'services')))
      symlinkSync(join(copy, 'services', each), join(copy, 'node_modules/@strongroom', each))
    return copy
  }
  /** What whoever starts a server in the repository runs. */
  const programOf = (copy: string): string => {
    const module = join(copy, 'apps/cli/src/bundle/program.ts')
    const script = `import(${JSON.stringify(module)}).then((m) => console.log(m.serverProgram('main.ts')))`
    const args = ['--conditions=x-source', '--disable-warning=ExperimentalWarning', '-e', script]
    return relative(copy, execFileSync(process.execPath, args, { encoding: 'utf8' }).trim())
  }
  const bundled = /^apps\/strongroomd\/dist\/main-[0-9a-f]{16}\.js$/
  const source = 'apps/strongroomd/src/main.ts'

  it('is made for the first start, and again whenever a source changes or a resource type is added', () => {
    const copy = whole()
    const first = programOf(copy)
    expect(first).toMatch(bundled)
    expect(programOf(copy)).toBe(first)
    const file = join(copy, 'services/vault/src/service.ts')
    writeFileSync(file, `${readFileSync(file, 'utf8')}console.log('changed')\n`)
    const second = programOf(copy)
    expect(second).toMatch(bundled)
    expect(second).not.toBe(first)
    const type = join(copy, 'services/control-plane/src/providers/network/added.type.ts')
    writeFileSync(type, "export const resourceTypes = []\nconsole.log('an added type')\n")
    const third = programOf(copy)
    expect(readFileSync(join(copy, third), 'utf8')).toContain('an added type')
    // A server that was started before may still be reading its own.
    expect([first, second, third].every((program) => existsSync(join(copy, program)))).toBe(true)
  })

  it('is left out where it cannot be made: the sources run', () => {
    const copy = whole()
    expect(programOf(copy)).toMatch(bundled)
    rmSync(join(copy, 'node_modules/esbuild'))
    const file = join(copy, 'services/vault/src/service.ts')
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
    expect(programOf(copy)).toBe(source)
  })
})

describe('the repository of a module', () => {
  it.each([
    ['/opt/strongroom/apps/cli/src/core', '/opt/strongroom'],
    ['/opt/strongroom/apps/cli/dist', '/opt/strongroom'],
    ['/a/apps/cli/src/b/apps/cli/dist', '/a/apps/cli/src/b'],
  ])('of %s is %s', (directory, expected) => {
    expect(repositoryOf(directory)).toBe(expected)
  })
})
