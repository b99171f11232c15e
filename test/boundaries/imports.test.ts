import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { allowed, browserFit, importsOf, isTest, rules, type Import, type Manifest } from './import-rules.ts'

const root = resolve(import.meta.dirname, '../..')

const sources = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx'], {
  cwd: root,
})
  .toString()
  .split('\n')
  .filter((file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file) && existsSync(join(root, file)))

const all = sources.flatMap((file) => importsOf(file, readFileSync(join(root, file), 'utf8')))

const manifestOf = (workspace: string): Manifest =>
  JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8')) as Manifest

const workspaces = ['packages', 'services', 'apps'].flatMap((kind) =>
  readdirSync(join(root, kind)).map((name) => `${kind}/${name}`),
)

/** Imports of a planted file. */
const planted = (file: string, code: string): Import[] => importsOf(file, code)

describe('who imports whom', () => {
  it('is asked of every workspace, and of every way to import', () => {
    expect(all.filter(({ file }) => !isTest(file)).length).toBeGreaterThan(100)
    expect(Object.keys(allowed).toSorted()).toEqual(workspaces.toSorted())
    const code = [
      "import a from 'a'",
      "import { b } from 'b'",
      "import {\n  c,\n} from 'c'",
      "export * from 'd'",
      "export { e } from 'e'",
      "import 'f'",
      "await import('g')",
      "import type { H } from 'h'",
      "// import i from 'i'",
    ].join('\n')
    expect(importsOf('x', code).map(({ specifier }) => specifier)).toEqual('abcdefhg'.split(''))
  })

  it('keeps every workspace to the workspaces it may import', () => {
    expect(rules.workspaces(all)).toEqual([])
    expect(rules.workspaces(planted('services/vault/src/x.ts', "import { y } from '@strongroom/host'"))).toEqual([
      'services/vault/src/x.ts imports @strongroom/host',
    ])
    expect(rules.workspaces(planted('packages/new/src/x.ts', "import { y } from '@strongroom/contract'"))).toHaveLength(
      1,
    )
  })

  it('keeps what runs in a browser without Node built-ins, and to the dependencies that it names', () => {
    expect(rules.browser(all)).toEqual([])
    for (const workspace of Object.keys(browserFit)) {
      expect(rules.browser(planted(`${workspace}/src/x.ts`, "import { join } from 'node:path'"))).toHaveLength(1)
      expect(rules.browser(planted(`${workspace}/src/x.ts`, "import _ from 'lodash'"))).toHaveLength(1)
    }
    expect(Object.keys(manifestOf('packages/evidence').dependencies ?? {})).toEqual([])
  })

  it('lets no relative import leave its workspace', () => {
    expect(rules.insideWorkspace(all)).toEqual([])
    const escape = planted('services/vault/src/a/x.ts', "import { y } from '../../../host/src/index.ts'")
    expect(rules.insideWorkspace(escape)).toHaveLength(1)
  })

  it('lets no room of the control plane import one above it, and no provider another', () => {
    expect(rules.rooms(all)).toEqual([])
    const wrong = {
      'providers/network/x.ts': '../keyvault/vault-model.ts',
      'providers/compute/disk/x.ts': '../../billing/z.ts',
      'arm/x.ts': '../types/registry.ts',
      'types/x.ts': '../providers/identity/user-assigned.ts',
      'providers/identity/x.ts': '../../placement/vm-set.ts',
      'placement/vm-write/x.ts': '../../resources/groups.ts',
      'store/x.ts': '../index.ts',
    }
    for (const [file, specifier] of Object.entries(wrong)) {
      const crossing = planted(`services/control-plane/src/${file}`, `import type { Y } from '${specifier}'`)
      expect(rules.rooms(crossing), file).toHaveLength(1)
    }
  })

  it('lets no floor of the evidence package import one above it', () => {
    expect(rules.evidenceFloors(all)).toEqual([])
    const wrong = {
      'core/bytes/x.ts': '../../x509/certificate.ts',
      'x509/x.ts': '../tokens/keys.ts',
      'tpm/x.ts': '../expect/predict/pcr4.ts',
      'expect/predict/x.ts': '../../checks/check.ts',
      'checks/x.ts': '../bundle/judge.ts',
      'bundle/x.ts': '../index.ts',
    }
    for (const [file, specifier] of Object.entries(wrong)) {
      const upward = planted(`packages/evidence/src/${file}`, `import type { Y } from '${specifier}'`)
      expect(rules.evidenceFloors(upward), file).toHaveLength(1)
    }
  })

  it('lets no files import each other in a circle, by types either', () => {
    expect(rules.circles(all)).toEqual([])
    const circle = [
      ...planted('packages/new/src/a.ts', "import { b } from './deep/b.ts'"),
      ...planted('packages/new/src/deep/b.ts', "export type { C } from './c.ts'"),
      ...planted('packages/new/src/deep/c.ts', "import { a } from '../a.ts'"),
    ]
    expect(rules.circles(circle)).toEqual([
      'packages/new/src/a.ts → packages/new/src/deep/b.ts → packages/new/src/deep/c.ts → packages/new/src/a.ts',
    ])
    expect(rules.circles(circle.slice(1))).toEqual([])
    expect(rules.circles(planted('packages/new/src/a.ts', "import type { A } from './a.ts'"))).toHaveLength(1)
  })

  // unused.test.ts checks that every declared one is imported.
  it('declares every package that is imported', () => {
    expect(rules.declared(all, manifestOf)).toEqual([])
    expect(rules.declared(planted('services/vault/src/x.ts', "import { y } from 'left-pad'"), manifestOf)).toHaveLength(
      1,
    )
    expect(rules.declared(planted('services/vault/src/x.ts', "import { it } from 'vitest'"), manifestOf)).toHaveLength(
      1,
    )
  })
})

describe('versions', () => {
  const loose = (manifest: Manifest): string[] =>
    Object.entries({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name, version]) => `${name} ${version}`)

  it('are exact in every manifest', () => {
    expect(['.', ...workspaces].flatMap((each) => loose(manifestOf(each)))).toEqual([])
    expect(loose({ dependencies: { a: '^1.0.0', b: '1.0.0' }, devDependencies: { c: '1.x' } })).toEqual([
      'a ^1.0.0',
      'c 1.x',
    ])
  })
})

describe('programs', () => {
  const usesShell = (code: string): boolean =>
    /\bshell:\s*true\b/.test(code) || /(?<!\bdb\.)\bexec(Sync)?\(\s*[`'"]/.test(code)

  it('are never run through a shell', () => {
    const wrong = sources.filter((file) => !isTest(file) && usesShell(readFileSync(join(root, file), 'utf8')))
    expect(wrong).toEqual([])
    for (const code of ["execSync('rm -r x')", 'exec(`ls ${name}`)', "spawn('ls', [], { shell: true })"])
      expect(usesShell(code), code).toBe(true)
  })
})
