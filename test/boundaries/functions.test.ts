import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findings, sources } from './lint-findings.ts'

const root = resolve(import.meta.dirname, '../..')
const most = 80
const mostCasts = 25

/** Longer functions, each with the reason. Split ones must leave the list. */
const exceptions: Record<string, string> = {
  'packages/evidence/src/bundle/explain/explain-snp.ts explainSnp': 'a table: a row for each field of the report',
  'packages/evidence/src/checks/check-token.ts checkToken': 'a tree of checks in the order in which a reader sees it',
  'packages/evidence/src/snp/appraise.ts appraiseSnp': 'a table: a row for each member of the policy',
  'packages/evidence/src/tdx/quote.ts parseTdxQuote': 'a layout read from its first byte to its last',
  'services/attestation/src/routes/attest-routes.ts attestRoutes': 'a table of routes',
  'services/attestation/src/service.ts createAttestationService': 'composition: makes the parts and ties them together',
  'services/control-plane/src/index.ts createControlPlaneService':
    'composition: makes the parts and ties them together',
  'services/control-plane/src/templates/routes.ts routesOf': 'a table of routes',
  'services/identity/src/service.ts openService': 'composition: makes the parts and ties them together',
  'services/vault/src/http/key-routes.ts addKeyRoutes': 'a table of routes',
  'services/vault/src/http/management-app.ts createManagementApp': 'a table of routes',
  'services/vault/src/http/secret-routes.ts addSecretRoutes': 'a table of routes',
  'services/vault/src/keystore/pkcs11/pkcs11.ts keystoreOf': 'one object whose methods share a session',
  'services/vault/src/service.ts createVaultServiceOn': 'composition: makes the parts and ties them together',
}

const temporary = mkdtempSync(join(tmpdir(), 'functions-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

/** Functions that are too long, as `file name`. */
const longFunctions = (limit: number, paths: readonly string[]): string[] =>
  findings('eslint/max-lines-per-function', limit, paths).map((each) => each.function)

describe('functions', () => {
  it(`have ${most} lines at most in services and packages, but for those that are listed with a reason`, () => {
    const own = sources.filter((file) => !file.startsWith('apps/'))
    // Both ways: split functions must leave the list.
    expect(longFunctions(most, own).toSorted()).toEqual(Object.keys(exceptions).toSorted())
    const planted = join(temporary, 'planted.ts')
    writeFileSync(planted, `export function planted() {\n${'  work()\n'.repeat(most - 1)}}\n`)
    expect(longFunctions(most, [planted])).toEqual([expect.stringMatching(/planted\.ts planted$/)])
  })
})

describe('the stages of writing a VM, of making it and of its boot', () => {
  const instances = 'services/host/src/instances'
  const stages = ['boot', 'boot-plan', 'boot-open', 'boot-serve', 'provision'].map((name) => `${instances}/${name}.ts`)

  it('are functions of 60 lines at most', () => {
    expect(stages.filter((file) => !existsSync(join(root, file)))).toEqual([])
    expect(longFunctions(60, ['services/control-plane/src/placement/vm-write', ...stages])).toEqual([])
  })
})

describe('casts that the compiler does not check', () => {
  const casts = (text: string): number => text.match(/\bas (?:never\b(?! [a-z])|unknown as\b)/g)?.length ?? 0

  it(`are ${mostCasts} at most in all sources together`, () => {
    const found = sources.flatMap((file) => {
      const code = readFileSync(join(root, file), 'utf8')
      return casts(code) === 0 ? [] : [`${file}: ${casts(code)}`]
    })
    const sum = found.reduce((all, each) => all + Number(each.split(': ')[1]), 0)
    expect(sum, found.join('\n')).toBeLessThanOrEqual(mostCasts)
    expect(casts('a(b as never)\nreturn c as unknown as D // it was never read')).toBe(2)
  })
})
