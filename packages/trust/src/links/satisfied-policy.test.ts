import { describe, expect, it } from 'vitest'
import { satisfiedAuthority } from './satisfied-policy.ts'

const issuer = 'https://sharedweu.weu.attest.strongroom.internal'
const azure = 'https://sharedweu.weu.attest.azure.net'
const claims = { 'x-ms-compliance-status': 'azure-compliant-cvm' }
const policy = (...authorities: string[]): string => {
  const allOf = [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }]
  return JSON.stringify({ version: '1.0.0', anyOf: authorities.map((authority) => ({ authority, allOf })) })
}

describe('the release policy of a customer’s key', () => {
  it('is met at the authority that it names', () => {
    const found = satisfiedAuthority(policy(`${issuer}/`), { issuer, claims, mapsAzureProviders: false })
    expect(found).toEqual({ authority: `${issuer}/`, mapped: false })
  })

  it('that names Azure’s shared provider is met where the operator has ours stand for it, and that is told', () => {
    expect(satisfiedAuthority(policy(azure), { issuer, claims, mapsAzureProviders: true })).toEqual({
      authority: azure,
      mapped: true,
    })
    expect(() => satisfiedAuthority(policy(azure), { issuer, claims, mapsAzureProviders: false })).toThrow(
      'does not satisfy the release policy',
    )
  })

  it('is met at no other provider of Azure’s, nor with other claims', () => {
    for (const [text, said] of [
      [policy('https://sharedneu.neu.attest.azure.net'), claims],
      [policy('https://alpha.weu.attest.azure.net'), claims],
      [policy(azure), { 'x-ms-compliance-status': 'none' }],
    ] as const)
      expect(() => satisfiedAuthority(text, { issuer, claims: said, mapsAzureProviders: true })).toThrow('not satisfy')
    const other = { 'x-ms-compliance-status': 'other' }
    expect(() => satisfiedAuthority(policy(azure), { issuer, claims: other, mapsAzureProviders: true })).toThrow(
      expect.objectContaining({
        expected: expect.stringContaining('azure-compliant-cvm') as string,
        actual: 'other',
      }) as Error,
    )
    expect(() => satisfiedAuthority(policy(azure), { issuer, claims, mapsAzureProviders: false })).toThrow(
      expect.objectContaining({ expected: `an entry for the authority ${issuer}`, actual: 'none' }) as Error,
    )
    expect(() => satisfiedAuthority('{', { issuer, claims, mapsAzureProviders: true })).toThrow('cannot be read')
  })
})
