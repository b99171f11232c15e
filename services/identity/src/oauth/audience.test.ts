import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { audienceOfScope, normaliseAudience } from './audience.ts'

describe('normaliseAudience', () => {
  it.each([
    ['https://management.azure.com/', 'https://management.azure.com'],
    ['https://management.azure.com//', 'https://management.azure.com'],
    ['https://management.core.windows.net/', 'https://management.azure.com'],
    ['https://management.strongroom.internal/', 'https://management.azure.com'],
    ['https://management.strongroom.internal.evil.example', 'https://management.strongroom.internal.evil.example'],
    ['HTTPS://Vault.Azure.Net', 'https://vault.azure.net'],
    ['https://machine.strongroom.internal', 'https://machine.strongroom.internal'],
    ['api://App/Path/', 'api://app/Path'],
  ])('reads %s as %s', (audience, normal) => {
    expect(normaliseAudience(audience)).toBe(normal)
  })

  it('keeps different resources apart', () => {
    const all = [
      'https://vault.azure.net',
      'https://vault.azure.net.evil.example',
      'https://vault.azure.net/keys',
      'http://vault.azure.net',
      'https://management.azure.com',
    ]
    expect(new Set(all.map(normaliseAudience)).size).toBe(all.length)
  })

  it('gives the same when applied again', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('h', '/', ':', 'A', ' ', '.') }), (text) => {
        expect(normaliseAudience(normaliseAudience(text))).toBe(normaliseAudience(text))
      }),
    )
  })
})

describe('audienceOfScope', () => {
  it.each([
    ['https://management.azure.com//.default', 'https://management.azure.com/'],
    ['https://vault.azure.net/.default', 'https://vault.azure.net'],
    ['openid profile https://vault.azure.net/.default offline_access', 'https://vault.azure.net'],
    ['https://vault.azure.net', undefined],
    ['/.default', undefined],
    ['', undefined],
    ['https://a/.default https://b/.default', undefined],
    [`https://${'a'.repeat(600)}/.default`, undefined],
  ])('reads %s as %s', (scope, audience) => {
    expect(audienceOfScope(scope)).toBe(audience)
  })
})
