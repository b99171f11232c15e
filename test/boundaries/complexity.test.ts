import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findings, sources } from './lint-findings.ts'

const most = 20
const mostParameters = 5

/** Functions that branch more, each with how much: none may grow, and those that are split leave the list. */
const exceptions: Record<string, number> = {
  'apps/cli/src/drill/judge.ts judge': 22,
  'apps/portal/src/machines/machine-page.tsx Whole': 31,
  'apps/portal/src/make/make-page.tsx MakePage': 31,
  'apps/portal/src/sizes/sizes-page.tsx SizesPage': 30,
  'packages/evidence/src/bundle/explain/explain.ts fieldsOf': 28,
  'packages/evidence/src/bundle/formats/json.ts quoteOf': 21,
  'packages/evidence/src/bundle/judge.ts judge': 31,
  'packages/evidence/src/bundle/unasked.ts unasked': 27,
  'packages/evidence/src/checks/check-tpm.ts checkTpmQuote': 31,
  'packages/evidence/src/core/der/der-values.ts readTime': 22,
  'packages/evidence/src/snp/appraise.ts appraiseSnp': 36,
  'packages/evidence/src/tdx/appraise.ts appraiseTcb': 22,
  'services/attestation/src/collateral/cache.ts get': 24,
  'services/control-plane/src/fleet/placements.ts place': 25,
  'services/control-plane/src/index.ts createControlPlaneService': 30,
  'services/control-plane/src/placement/scale-set/set-request.ts readSet': 21,
  'services/control-plane/src/placement/scale-set/write-set.ts': 25,
  'services/control-plane/src/placement/vm-write/model.ts toModel': 24,
  'services/control-plane/src/placement/vm-write/resolve.ts resolveVm': 22,
  'services/control-plane/src/providers/compute/disk/disk-creation.ts readCreation': 22,
  'services/control-plane/src/providers/compute/gallery/definitions.ts readDefinition': 23,
  'services/control-plane/src/providers/compute/gallery/publishing.ts readPublishing': 24,
  'services/control-plane/src/providers/compute/image/managed-images.ts create': 23,
  'services/control-plane/src/providers/compute/vm/vm-change.ts updateProblems': 28,
  'services/control-plane/src/providers/compute/vm/model/vm-identity.ts readIdentity': 21,
  'services/control-plane/src/providers/compute/vm/vm-request.ts readUnsupported': 21,
  'services/control-plane/src/providers/compute/vm/vm-request.ts readVmRequest': 74,
  'services/control-plane/src/providers/keyvault/managed-hsm-routes.ts readSettings': 29,
  'services/control-plane/src/providers/keyvault/vault-request.ts readVaultRequest': 29,
  'services/control-plane/src/providers/network/interfaces.ts completeConfiguration': 30,
  'services/control-plane/src/providers/network/load-balancer/load-balancers.ts completeFrontend': 29,
  'services/control-plane/src/templates/plan.ts draftOne': 21,
  'services/vault/src/certificates/policy.ts parsePolicy': 32,
  'services/vault/src/keys/keys.ts applied': 26,
  'services/vault/src/keystore/configuration.ts readKeystoreConfiguration': 24,
}

const temporary = mkdtempSync(join(tmpdir(), 'complexity-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

function planted(code: string): string {
  const file = join(temporary, 'planted.ts')
  writeFileSync(file, code)
  return file
}

const complexities = (paths: readonly string[]): [string, number][] =>
  findings('eslint/complexity', most, paths).map(({ function: name, message }) => [
    name,
    Number(/complexity of (\d+)/.exec(message)?.[1]),
  ])

/** What is more complex than its list allows, and what is listed without need. */
function faults(found: readonly [string, number][], allowed: Record<string, number>): string[] {
  const grown = found.filter(([name, complexity]) => !(complexity <= (allowed[name] ?? 0)))
  const names = new Set(found.map(([name]) => name))
  const free = Object.keys(allowed).filter((name) => !names.has(name))
  return [...grown.map(([name, complexity]) => `${name}: ${complexity}`), ...free.map((name) => `${name}: listed`)]
}

describe('the functions of packages, services and apps', () => {
  it(`have a complexity of ${most} at most, but for those that are listed`, () => {
    expect(faults(complexities(sources), exceptions)).toEqual([])
  })

  it('that grow, or are listed without need, are found', () => {
    const branches = (count: number): string => planted(`export function f() {\n${'  if (a) b()\n'.repeat(count)}}\n`)
    expect(complexities([branches(most - 1)])).toEqual([])
    const found = complexities([branches(most)])
    expect(found).toEqual([[expect.stringMatching(/planted\.ts f$/), most + 1]])
    const [[name] = ['']] = found
    expect(faults(found, {})).toEqual([`${name}: 21`])
    expect(faults(found, { [name]: most + 1 })).toEqual([])
    expect(faults([[name, 30]], { [name]: 29, other: 22 })).toEqual([`${name}: 30`, 'other: listed'])
  })

  it(`have ${mostParameters} parameters at most`, () => {
    const tooMany = (paths: readonly string[]): string[] =>
      findings('eslint/max-params', mostParameters, paths).map((each) => each.function)
    expect(tooMany(sources)).toEqual([])
    expect(tooMany([planted('export const f = (a, b, c, d, e) => a\n')])).toEqual([])
    expect(tooMany([planted('export function f(a, b, c, d, e, g) {}\n')])).toEqual([
      expect.stringMatching(/planted\.ts f$/),
    ])
  })
})
