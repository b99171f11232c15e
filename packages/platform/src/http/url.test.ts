import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hostOf } from './host.ts'
import { normaliseUrl } from './url.ts'

describe('normaliseUrl', () => {
  it.each([
    ['/a//b///c/', '/a/b/c'],
    ['//a', '/a'],
    ['/', '/'],
    ['///', '/'],
    ['/a/?x=//', '/a?x=//'],
    ['/keys/a//attestation?api%2Dversion=7.4', '/keys/a/attestation?api%2Dversion=7.4'],
    ['https://vault.strongroom.internal/keys/', '/keys'],
    ['https://vault.strongroom.internal', '/'],
    ['/a%2F%2Fb', '/a%2F%2Fb'],
    ['*', '/*'],
  ])('turns %s into %s', (target, normal) => {
    expect(normaliseUrl(target)).toBe(normal)
  })

  it('gives the same when applied again, and a path that starts with one slash', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('/', 'a', '?', '%2F', ':', '.', '#') }), (text) => {
        const once = normaliseUrl(text)
        expect(once).toMatch(/^\/(?!\/)/)
        expect(normaliseUrl(once)).toBe(once)
      }),
    )
  })
})

describe('hostOf', () => {
  it.each([
    ['Management.Strongroom.Internal:443', 'management.strongroom.internal'],
    ['a.strongroom.internal.', 'a.strongroom.internal'],
    ['127.0.0.1:8643', '127.0.0.1'],
    ['[::1]:80', '[::1]'],
    ['', undefined],
    ['a b', undefined],
    ['a@b', undefined],
    ['a/b', undefined],
    ['a:x', undefined],
    [undefined, undefined],
  ])('reads %s as %s', (header, host) => {
    expect(hostOf(header)).toBe(host)
  })
})
