import { attestationRegionCodes, sharedAttestationHost } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { meantAuthority, ownProviderFor } from './azure-providers.ts'

const azure = (code: string, zone = code): string => `https://shared${code}.${zone}.attest.azure.net`

describe('the provider that stands for Azure’s shared one', () => {
  it('is the shared one of the same region, of each that an installation has', () => {
    for (const code of attestationRegionCodes)
      expect(ownProviderFor(azure(code))).toBe(`https://${sharedAttestationHost(code)}`)
  })

  it.each([
    azure('xyz'),
    azure('weu', 'neu'),
    azure(''),
    'https://alpha.weu.attest.azure.net',
    `${azure('weu')}.evil.example`,
    `${azure('weu')}/`,
    `x${azure('weu')}`,
    'https://sharedweu.weu.attest.azure.cn',
    'https://sharedweu-weu.attest.azure.net',
    `https://${sharedAttestationHost('weu')}`,
  ])('is none for %s', (authority) => {
    expect(ownProviderFor(authority)).toBeUndefined()
  })

  it('is meant where the operator says so, and the authority itself otherwise', () => {
    const own = `https://${sharedAttestationHost('weu')}`
    expect(meantAuthority(`${azure('weu').toUpperCase()}/`, { mapsAzureProviders: true })).toBe(own)
    expect(meantAuthority(`${azure('weu')}/`, { mapsAzureProviders: false })).toBe(azure('weu'))
    for (const mapsAzureProviders of [true, false]) {
      expect(meantAuthority('https://Other.example/', { mapsAzureProviders })).toBe('https://other.example')
      expect(meantAuthority('other', { mapsAzureProviders })).toBeUndefined()
    }
  })
})
