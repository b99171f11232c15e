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

/** Policies and a token that Microsoft's customers published, as they stand. */
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
