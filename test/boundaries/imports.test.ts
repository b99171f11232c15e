import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  allowed,
  browserFit,
  floorsOfParavisor,
  importsOf,
  isTest,
  rules,
  type Import,
  type Manifest,
} from './import-rules.ts'
import { knotsOf } from './knots.ts'

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

  it('keeps everything that a host supplies out of the paravisor, and everything but its entries from the host', () => {
    expect(rules.paravisor(all)).toEqual([])
    const others = ['host', 'host/testing', 'control-plane', 'vault', 'attestation', 'identity', 'cli', 'strongroomd']
    for (const name of others)
      for (const file of ['guest/x.ts', 'guest/x.test.ts', 'testing.ts']) {
        const code = `import type { Y } from '@strongroom/${name}'`
        expect(rules.paravisor(planted(`services/paravisor/src/${file}`, code)), `${file} ${name}`).toHaveLength(1)
      }
    const host = "await import('../../../host/src/qemu/qmp.ts')"
    expect(rules.paravisor(planted('services/paravisor/src/guest/x.test.ts', host))).toHaveLength(1)
    // Neither by way of what it may import.
    const reached = new Set(['services/paravisor'])
    for (const workspace of reached)
      for (const name of allowed[workspace] ?? [])
        reached.add(workspaces.find((each) => name.split('/')[1] === each.split('/')[1]) ?? name)
    expect([...reached].filter((each) => !each.startsWith('packages/'))).toEqual(['services/paravisor'])
    const inside = "import { unseal } from '../../../paravisor/src/guest/unseal.ts'"
    expect(rules.insideWorkspace(planted('services/host/src/instances/x.ts', inside))).toHaveLength(1)
  })

  it('lets no folder of the paravisor import one above it, by types either', () => {
    const wrong = {
      'vmgs/x.ts': '../tpm/swtpm.ts',
      'tpm/x.ts': '../firmware/uefi-variables.ts',
      'firmware/x.ts': '../expected/settings.ts',
      'variables/x.ts': '../expected/boot-files.ts',
      'expected/x.ts': '../release/claims.ts',
      'release/x.ts': '../guest/unseal.ts',
      'guest/x.ts': '../index.ts',
    }
    for (const [file, specifier] of Object.entries(wrong)) {
      const upward = planted(`services/paravisor/src/${file}`, `import type { Y } from '${specifier}'`)
      expect(rules.workspaceFloors(upward), file).toHaveLength(1)
    }
    const folders = all.flatMap(({ file }) => /^services\/paravisor\/src\/([^/]+)\//.exec(file)?.[1] ?? [])
    expect([...new Set(folders)].toSorted()).toEqual(floorsOfParavisor.flat().toSorted())
  })

  it('lets no room of the control plane import one above it, and no provider another', () => {
    expect(rules.rooms(all)).toEqual([])
    const wrong = {
      'providers/network/x.ts': '../keyvault/vault-model.ts',
      'providers/compute/disk/x.ts': '../../billing/z.ts',
      'arm/x.ts': '../types/registry.ts',
      'types/x.ts': '../providers/identity/user-assigned.ts',
      'providers/identity/x.ts': '../../placement/vm/vm-set.ts',
      'placement/vm-write/x.ts': '../../resources/groups.ts',
      'store/x.ts': '../index.ts',
    }
    for (const [file, specifier] of Object.entries(wrong)) {
      const crossing = planted(`services/control-plane/src/${file}`, `import type { Y } from '${specifier}'`)
      expect(rules.rooms(crossing), file).toHaveLength(1)
    }
  })

  it('lets no folder of a workspace with floors import another that is not below it', () => {
    expect(rules.workspaceFloors(all)).toEqual([])
    const wrong = {
      'packages/evidence/src/core/bytes/x.ts': '../../x509/certificate.ts',
      'packages/evidence/src/x509/x.ts': '../tokens/keys.ts',
      'packages/evidence/src/tpm/x.ts': '../expect/predict/pcr4.ts',
      'packages/evidence/src/snp/x.ts': '../eventlog/parse.ts',
      'packages/evidence/src/expect/predict/x.ts': '../../checks/check.ts',
      'packages/evidence/src/checks/x.ts': '../bundle/judge.ts',
      'packages/evidence/src/bundle/x.ts': '../index.ts',
      'packages/trust/src/provenance/x.ts': '../links/claims-link.ts',
      'packages/trust/src/links/x.ts': '../report.ts',
      'services/attestation/src/store/x.ts': '../providers/providers.ts',
      'services/attestation/src/evidence/x.ts': '../guest/guest-verifier.ts',
      'services/attestation/src/tpm/x.ts': '../tokens/token.ts',
      'services/attestation/src/routes/x.ts': '../service.ts',
      'services/vault/src/keystore/pkcs11/x.ts': '../../keys/key-version.ts',
      'services/vault/src/vaults/x.ts': '../hsm/roles.ts',
      'services/vault/src/hsm/x.ts': '../access/permissions.ts',
      'services/vault/src/release/x.ts': '../certificates/policy.ts',
      'services/vault/src/http/x.ts': '../open-keystore.ts',
      'apps/portal/src/wire/x.ts': '../ui/live.ts',
      'apps/portal/src/sizes/x.ts': '../make/choice.ts',
      'apps/portal/src/trust/x.tsx': '../app/shell.tsx',
      'apps/portal/src/app/x.ts': '../main.tsx',
      'apps/cli/src/core/x.ts': '../client/connection.ts',
      'apps/cli/src/trust/x.ts': '../commands/vm/trust.ts',
      'apps/cli/src/commands/vm/x.ts': '../../drill/drill.ts',
      'apps/cli/src/drill/x.ts': '../modules.ts',
    }
    for (const [file, specifier] of Object.entries(wrong)) {
      const upward = planted(file, `import type { Y } from '${specifier}'`)
      expect(rules.workspaceFloors(upward), file).toHaveLength(1)
    }
    // A folder without a floor is refused by its first import.
    expect(
      rules.workspaceFloors(planted('packages/trust/src/new/x.ts', "import { y } from '../index.ts'")),
    ).toHaveLength(1)
    expect(rules.workspaceFloors(planted('packages/trust/src/x.ts', "import { y } from './new/y.ts'"))).toHaveLength(1)
  })

  it('lets no two folders of a workspace lead to each other, by types either', () => {
    expect(workspaces.flatMap((workspace) => knotsOf(all, workspace).map((knot) => `${workspace}: ${knot}`))).toEqual(
      [],
    )
    const src = 'packages/new/src'
    const ofValues = [
      ...planted(`${src}/a/x.ts`, "import { y } from '../b/y.ts'"),
      ...planted(`${src}/b/z.ts`, "import { w } from '../a/w.ts'"),
    ]
    const ofTypes = [
      ...planted(`${src}/a/x.ts`, "import type { Y } from './deep/y.ts'"),
      ...planted(`${src}/a/deep/z.ts`, "export type { W } from '../w.ts'"),
    ]
    const ofThree = [
      ...planted(`${src}/a/x.ts`, "import { y } from '../b/y.ts'"),
      ...planted(`${src}/b/z.ts`, "await import('../c.ts')"),
      ...planted(`${src}/d.ts`, "import type { X } from './a/x.ts'"),
    ]
    expect(knotsOf(ofValues, 'packages/new')).toEqual(['a b'])
    expect(knotsOf(ofTypes, 'packages/new')).toEqual(['a a/deep'])
    expect(knotsOf(ofThree, 'packages/new')).toEqual(['. a b'])
    expect(knotsOf([...ofValues, ...ofTypes], 'packages/new')).toEqual(['a a/deep b'])
    for (const knot of [ofValues, ofTypes, ofThree]) expect(knotsOf(knot.slice(1), 'packages/new')).toEqual([])
    const tests = ofValues.map((entry) => ({ ...entry, file: entry.file.replace('.ts', '.test.ts') }))
    expect(knotsOf(tests, 'packages/new')).toEqual([])
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
