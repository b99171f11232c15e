import { describe, expect, it } from 'vitest'
import { ok, type Method } from './request.ts'
import { Router, type Route } from './router.ts'

const route = (method: Method, path: string): Route => ({ method, path, action: path, handle: async () => ok(path) })
const router = new Router([
  route('GET', '/a/{x}'),
  route('GET', '/a/Literal'),
  route('GET', '/{x}/b'),
  route('GET', '/{x}/{y}/c'),
  route('GET', '/a/{y}/{z}'),
  route('PUT', '/a/{x}'),
  route('DELETE', '/a/{x}'),
  route('PATCH', '/patched'),
  route('POST', '/a/{x}/do'),
  route('HEAD', '/a'),
])
const found = (method: Method, path: string): unknown => {
  const match = router.match(method, path)
  return match && [match.route.path, match.path, match.params]
}

describe('routes', () => {
  it('take parameters as they were written, and literals in any case, spelled as the route has them', () => {
    expect(found('GET', '/a/Some-Name')).toEqual(['/a/{x}', '/a/Some-Name', { x: 'Some-Name' }])
    expect(found('GET', '/A/LITERAL')).toEqual(['/a/Literal', '/a/Literal', {}])
    expect(found('POST', '/A/x/DO')).toEqual(['/a/{x}/do', '/a/x/do', { x: 'x' }])
  })

  it('with a literal win over parameters, from the left', () => {
    expect(found('GET', '/a/literal')).toEqual(['/a/Literal', '/a/Literal', {}])
    // Both have one literal: the leftmost decides.
    expect(found('GET', '/a/b')).toEqual(['/a/{x}', '/a/b', { x: 'b' }])
    expect(found('GET', '/other/b')).toEqual(['/{x}/b', '/other/b', { x: 'other' }])
    expect(found('GET', '/a/1/c')).toEqual(['/a/{y}/{z}', '/a/1/c', { y: '1', z: 'c' }])
    expect(found('GET', '/b/1/c')).toEqual(['/{x}/{y}/c', '/b/1/c', { x: 'b', y: '1' }])
  })

  it('are found by method and number of segments, whatever the slashes', () => {
    for (const path of ['/', '', '/a/x/y/z', '/b/x/y']) expect([path, found('GET', path)]).toEqual([path, undefined])
    expect(found('PATCH', '/a/x')).toBeUndefined()
    expect(found('GET', '//a///x/')).toEqual(['/a/{x}', '/a/x', { x: 'x' }])
  })

  it('say which methods a path has', () => {
    expect(router.methods('/a/x')).toEqual(['GET', 'PUT', 'DELETE'])
    expect([router.methods('/patched'), router.methods('/a'), router.methods('/a/x/do')]).toEqual([
      ['PATCH'],
      ['HEAD'],
      ['GET', 'POST'],
    ])
    expect(router.methods('/nothing/of/the/kind')).toEqual([])
  })
})
