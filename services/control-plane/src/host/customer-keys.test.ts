import { describe, expect, it } from 'vitest'
import { policyMisfit } from './customer-keys.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const misfit = (policy: object): string | undefined =>
  policyMisfit(Buffer.from(JSON.stringify(policy)).toString('base64url'), authority)?.found

describe('a release policy for a boot', () => {
  const flat = { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }
  const nested = { claim: 'x-ms-isolation-tee.x-ms-svn', greaterOrEquals: 1 }

  it('is read in each form that the vault takes', () => {
    for (const named of [authority, `${authority}/`, authority.slice('https://'.length), authority.toUpperCase()]) {
      expect(misfit({ anyOf: [{ authority: named, allOf: [flat] }] })).toBeUndefined()
      expect(misfit({ allOf: [{ authority: named, allOf: [flat] }] })).toBeUndefined()
    }
    expect(misfit({ allOf: [{ authority: 'https://other', allOf: [flat] }] })).toBe('https://other')
    expect(misfit({})).toBe('none')
  })

  it("that names Azure's shared provider is for a boot where that name means the region's provider", () => {
    const azure = 'https://SharedWeu.weu.attest.azure.net/'
    const policy = (named: string): string =>
      Buffer.from(JSON.stringify({ anyOf: [{ authority: named, allOf: [flat] }] })).toString('base64url')
    expect(policyMisfit(policy(azure), authority, true)).toBeUndefined()
    expect(policyMisfit(policy(azure), authority)?.remedy).toContain(`by ${authority}, or`)
    for (const other of ['https://sharedneu.neu.attest.azure.net', 'https://alpha.weu.attest.azure.net']) {
      const found = policyMisfit(policy(other), authority, true)
      expect([found?.found, found?.remedy]).toEqual([other, undefined])
    }
  })

  it('can never hold where it asks for a guest’s claims, unless for their absence', () => {
    expect(misfit({ anyOf: [{ authority, allOf: [flat, nested] }] })).toMatch(/x-ms-isolation-tee/)
    expect(misfit({ anyOf: [{ authority, anyOf: [flat, nested] }] })).toBeUndefined()
    const exists = (value: boolean): object => ({ claim: 'x-ms-isolation-tee.x', exists: value })
    expect(misfit({ anyOf: [{ authority, allOf: [flat, exists(true)] }] })).toMatch(/x-ms-isolation-tee/)
    expect(misfit({ anyOf: [{ authority, allOf: [flat, exists(false)] }] })).toBeUndefined()
  })
})
