import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** Who may import whom. A workspace that is not named here may import nothing. */
const allowed: Record<string, string[]> = {
  'packages/evidence': [],
  'packages/policy': [],
  'packages/contract': ['typebox'],
  'packages/release-policy': ['@strongroom/contract'],
  'packages/transparency': [],
  'packages/silicon': ['@strongroom/evidence'],
  'packages/platform': ['@strongroom/contract'],
  'services/identity': ['@strongroom/contract', '@strongroom/platform'],
  'services/attestation': [
    '@strongroom/evidence',
    '@strongroom/policy',
    '@strongroom/contract',
    '@strongroom/platform',
  ],
  'services/vault': [
    '@strongroom/contract',
    '@strongroom/platform',
    '@strongroom/release-policy',
    '@strongroom/transparency',
  ],
  'services/control-plane': ['@strongroom/contract', '@strongroom/platform'],
  'services/host': ['@strongroom/evidence', '@strongroom/silicon', '@strongroom/contract', '@strongroom/platform'],
  'apps/cli': [
    '@strongroom/evidence',
    '@strongroom/policy',
    '@strongroom/release-policy',
    '@strongroom/contract',
    '@strongroom/transparency',
  ],
  'apps/strongroomd': [
    '@strongroom/contract',
    '@strongroom/platform',
    '@strongroom/identity',
    '@strongroom/attestation',
    '@strongroom/vault',
    '@strongroom/control-plane',
    '@strongroom/host',
  ],
}

interface Import {
  file: string
  workspace: string
  specifier: string
}

function sources(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], { cwd: root })
  return listed
    .toString()
    .split('\n')
    .filter((file) => /^(packages|services|apps)\/[^/]+\/src\//.test(file))
}

const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.includes('/testing')

/** Examples in comments import nothing. */
const withoutComments = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^\s*(?:\*|\/\*|\/\/)/.test(line))
    .join('\n')

function imports(): Import[] {
  const found: Import[] = []
  for (const file of sources()) {
    let text: string
    try {
      text = withoutComments(readFileSync(join(root, file), 'utf8'))
    } catch {
      continue
    }
    const workspace = file.split('/').slice(0, 2).join('/')
    for (const match of text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s+(?:[^'"\n;{}=]*?(?:\{[^}]*\})?[^'"\n;{}=]*?\bfrom\s*)?['"]([^'"\n]+)['"]/g,
    )) {
      found.push({ file, workspace, specifier: match[1]! })
    }
    for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g))
      found.push({ file, workspace, specifier: match[1]! })
  }
  return found
}

const all = imports()
const runtime = all.filter((entry) => !isTest(entry.file))

describe('who imports whom', () => {
  it('finds the imports it is to judge', () => {
    expect(runtime.length).toBeGreaterThan(100)
  })

  it('keeps every workspace to the workspaces it may import', () => {
    const wrong = runtime.filter(
      (entry) =>
        entry.specifier.startsWith('@strongroom/') &&
        !allowed[entry.workspace]?.some((name) => entry.specifier === name || entry.specifier.startsWith(`${name}/`)),
    )
    expect(wrong).toEqual([])
  })

  it('keeps packages/evidence without Node built-ins and without dependencies', () => {
    const wrong = runtime.filter((entry) => entry.workspace === 'packages/evidence' && !entry.specifier.startsWith('.'))
    expect(wrong).toEqual([])
    const manifest = JSON.parse(readFileSync(join(root, 'packages/evidence/package.json'), 'utf8')) as {
      dependencies?: object
    }
    expect(Object.keys(manifest.dependencies ?? {})).toEqual([])
  })

  it('keeps packages/policy without Node built-ins, with JMESPath as its one dependency', () => {
    const wrong = runtime.filter(
      (entry) =>
        entry.workspace === 'packages/policy' &&
        !entry.specifier.startsWith('.') &&
        entry.specifier !== '@jmespath-community/jmespath',
    )
    expect(wrong).toEqual([])
  })

  it('keeps packages/transparency fit for a browser, with its hash as the one dependency', () => {
    const wrong = runtime.filter(
      (entry) =>
        entry.workspace === 'packages/transparency' &&
        !entry.specifier.startsWith('.') &&
        entry.specifier !== '@noble/hashes/sha2.js',
    )
    expect(wrong).toEqual([])
  })

  it('keeps packages/contract fit for a browser', () => {
    const wrong = runtime.filter(
      (entry) =>
        entry.workspace === 'packages/contract' && !entry.specifier.startsWith('.') && entry.specifier !== 'typebox',
    )
    expect(wrong).toEqual([])
  })

  it('lets no relative import leave its workspace', () => {
    const wrong = all.filter(
      (entry) =>
        entry.specifier.startsWith('.') &&
        relative(join(root, entry.workspace), resolve(root, dirname(entry.file), entry.specifier)).startsWith('..'),
    )
    expect(wrong).toEqual([])
  })

  it('lets no provider of the control plane import another', () => {
    const wrong = runtime.filter((entry) => {
      const own = /^services\/control-plane\/src\/providers\/([^/]+)\//.exec(entry.file)?.[1]
      if (own === undefined || !entry.specifier.startsWith('.')) return false
      const target = relative(
        join(root, 'services/control-plane/src/providers'),
        resolve(root, dirname(entry.file), entry.specifier),
      )
      return !target.startsWith('..') && !target.startsWith(`${own}/`) && target.includes('/')
    })
    expect(wrong).toEqual([])
  })

  it('declares every package that is imported', () => {
    const wrong = all.filter((entry) => {
      if (entry.specifier.startsWith('.') || isBuiltin(entry.specifier)) return false
      const parts = entry.specifier.split('/')
      const name = entry.specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
      const manifest = JSON.parse(readFileSync(join(root, entry.workspace, 'package.json'), 'utf8')) as Record<
        string,
        Record<string, string>
      >
      const declared = {
        ...manifest['dependencies'],
        ...manifest['devDependencies'],
        ...manifest['optionalDependencies'],
      }
      return !(name in declared) && !(isTest(entry.file) && ['vitest', 'fast-check'].includes(name))
    })
    expect(wrong).toEqual([])
  })
})

describe('versions', () => {
  it('are exact in every manifest', () => {
    const manifests = ['package.json', ...Object.keys(allowed).map((name) => `${name}/package.json`)]
    const loose: string[] = []
    for (const path of manifests) {
      const manifest = JSON.parse(readFileSync(join(root, path), 'utf8')) as Record<string, Record<string, string>>
      for (const group of ['dependencies', 'devDependencies', 'optionalDependencies'])
        for (const [name, version] of Object.entries(manifest[group] ?? {}))
          if (!/^\d+\.\d+\.\d+$/.test(version)) loose.push(`${path}: ${name} ${version}`)
    }
    expect(loose).toEqual([])
  })
})

describe('programs', () => {
  it('are never run through a shell', () => {
    const wrong = sources()
      .filter((file) => !isTest(file))
      .filter((file) => {
        const text = readFileSync(join(root, file), 'utf8')
        return /\bshell:\s*true\b/.test(text) || /(?<!\bdb\.)\bexec(Sync)?\(\s*[`'"]/.test(text)
      })
    expect(wrong).toEqual([])
  })
})
