import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultCvmReleasePolicy } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { explainRelease } from './explain.ts'
import { lintReleasePolicy } from './lint.ts'
import { readReleasePolicy } from './policy.ts'

const corpus = process.env['STRONGROOM_EVIDENCE_DIR'] ?? '/work/shared/evidence'
const thomVanL = 'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release'
const read = (path: string): string => readFileSync(join(corpus, path), 'utf8')
const codes = (text: string): string[] => [
  ...new Set(lintReleasePolicy(readReleasePolicy(text)).map(({ code }) => code)),
]

/** Policies and a token published by Microsoft's customers, unchanged. */
describe.skipIf(!existsSync(join(corpus, thomVanL)))('published policies', () => {
  it('release to a real token of a guest what asks for nested claims, and say where flat ones are', () => {
    const token = read(`${thomVanL}/maa-token.jwt`).trim().split('.')[1]!
    const claims = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Record<string, unknown>
    const published = readReleasePolicy(read(`${thomVanL}/cvm-release-policy.json`))
    const now = Number(claims['exp']) - 1
    expect(explainRelease(published, claims, { now })).toMatchObject({ released: true, faults: [] })
    const flat = explainRelease(defaultCvmReleasePolicy('https://sharedweu.weu.attest.azure.net/'), claims, { now })
    expect(flat.released).toBe(false)
    expect(JSON.stringify(flat)).toContain('The token has it as x-ms-isolation-tee.x-ms-compliance-status')
  })

  it('are warned of: any confidential VM of any tenant satisfies them', () => {
    expect(codes(read(`${thomVanL}/cvm-release-policy.json`))).toEqual(['AnyConfidentialVm', 'AuthorityNotTrusted'])
    const regions = 'Azure-confidential-computing-cvm-guest-attestation/public_SKR_policy-datadisk.json'
    expect(codes(read(regions))).toContain('AnyConfidentialVm')
  })
})

/** Forms of published policies outside the corpus (guides and samples of Azure, its partners and users), rewritten. */
describe('forms of published policies', () => {
  const host = 'sharedweu.weu.attest.strongroom.internal'
  const authority = `https://${host}`
  const read = (policy: object): string[] => codes(JSON.stringify(policy))

  it('of a virtual machine with Secure Boot alone: any VM of any tenant, debuggable or not', () => {
    const allOf = [{ claim: 'secureboot', equals: true }]
    expect(read({ version: '1.0.0', anyOf: [{ authority, allOf }] })).toEqual(['AnyConfidentialVm', 'DebugNotExcluded'])
    // Azure's newer tokens contain register values; none here does.
    const pinned = [...allOf, { claim: 'x-ms-azurevm-attested-pcr-values.pcr4', equals: 'AAAA' }]
    expect(read({ anyOf: [{ authority, allOf: pinned }] })).toEqual(['UnknownClaim'])
  })

  it('of one VM by its id, in a list of authorities that is called allOf', () => {
    const allOf = [
      { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' },
      { claim: 'x-ms-azurevm-vmid', equals: 'A' },
    ]
    expect(read({ version: '1.0.0', allOf: [{ authority, allOf }] })).toEqual([])
  })

  it('of container groups by host data, with the Boolean in quotation marks', () => {
    const allOf = [
      { claim: 'x-ms-sevsnpvm-hostdata', equals: 'ab'.repeat(32) },
      { claim: 'x-ms-compliance-status', equals: 'azure-compliant-uvm' },
      { claim: 'x-ms-sevsnpvm-is-debuggable', equals: 'false' },
    ]
    expect(read({ version: '1.0.0', anyOf: [{ authority, allOf }] })).toEqual(['FlatClaims', 'ClaimType'])
    // "debuggable" is a Boolean in every token: no token here satisfies the policy as published.
    const claims = { 'x-ms-sevsnpvm-hostdata': 'ab'.repeat(32), 'x-ms-compliance-status': 'azure-compliant-uvm' }
    const explained = (debuggable: unknown): boolean =>
      explainRelease(
        readReleasePolicy(JSON.stringify({ anyOf: [{ authority, allOf }] })),
        { ...claims, iss: authority, 'x-ms-sevsnpvm-is-debuggable': debuggable },
        { now: 0 },
      ).authorities[0]!.held
    expect([explained(false), explained(true), explained('false')]).toEqual([false, false, true])
  })

  it('of enclaves from a version on, and of machines with GPUs, whose guide names the host alone', () => {
    const enclave = [
      { claim: 'x-ms-sgx-svn', greater: 1 },
      { claim: 'x-ms-sgx-product-id', greaterOrEquals: 3 },
    ]
    expect(read({ version: '1.0.0', anyOf: [{ authority, allOf: enclave }] })).toEqual(['UnknownClaim'])
    const gpu = [{ claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' }]
    const policy = readReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf: [{ authority: host, allOf: gpu }] }))
    const tee = { 'x-ms-compliance-status': 'azure-compliant-cvm' }
    const { authorities } = explainRelease(policy, { iss: authority, 'x-ms-isolation-tee': tee }, { now: 0 })
    expect(authorities).toMatchObject([{ authority, isIssuer: true, held: true }])
    // A token's issuer must not be such a short form.
    const bare = explainRelease(policy, { iss: host, 'x-ms-isolation-tee': tee }, { now: 0 })
    expect(bare.authorities).toMatchObject([{ isIssuer: false }])
  })
})
