import { describe, expect, it } from 'vitest'
import { normalAuthority } from './authority.ts'

describe('authorities', () => {
  it('are compared without the trailing slash and without case', () => {
    expect(normalAuthority('https://SharedWeu.weu.attest.azure.net/')).toBe('https://sharedweu.weu.attest.azure.net')
  })

  it('are hosts of any length, also of one letter', () => {
    expect([normalAuthority('https://a'), normalAuthority('https://A/')]).toEqual(['https://a', 'https://a'])
    expect(normalAuthority(`https://${'a'.repeat(253)}`)).toBeDefined()
    expect(normalAuthority(`https://${'a'.repeat(254)}`)).toBeUndefined()
    for (const text of ['https://-a', 'https://a-', 'https://.a', 'https://a.', 'xhttps://a', 'https://a/\nhttps://b'])
      expect(normalAuthority(text)).toBeUndefined()
  })

  it('are nothing but a host', () => {
    for (const text of [
      'https://a//',
      'https://a/b',
      'https://a?b',
      'https://a#b',
      'https://a\\b',
      'https://[::1]',
      'ftp://a',
      'https://',
      'https://a b',
      ' https://a',
    ])
      expect(normalAuthority(text)).toBeUndefined()
  })
})
