import { describe, expect, it } from 'vitest'
import { normalAuthority } from './authority.ts'

describe('authorities', () => {
  it('are compared without the trailing slash and without case', () => {
    expect(normalAuthority('https://SharedWeu.weu.attest.azure.net/')).toBe('https://sharedweu.weu.attest.azure.net')
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
