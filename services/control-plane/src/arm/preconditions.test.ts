import type { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import type { Resource } from '../store/resources.ts'
import { checkPreconditions } from './preconditions.ts'
import type { ArmRequest } from './request.ts'

const resource = { etag: 'e1' } as Resource
type Headers = ArmRequest['headers']
const check = (headers: Headers, existing: Resource | undefined, method: ArmRequest['method'] = 'PUT'): unknown => {
  try {
    checkPreconditions({ method, headers } as ArmRequest, existing)
    return 'met'
  } catch (error) {
    const { status, code, expected, found } = error as ServiceError
    expect([status, code]).toEqual([412, 'PreconditionFailed'])
    return [expected, found]
  }
}

describe('conditions of a request', () => {
  it('are none where none are said', () => {
    expect([check({}, resource), check({}, undefined)]).toEqual(['met', 'met'])
  })

  it.each(['W/"e1"', '"e1"', 'e1', '*', ' * ', '"other", W/"e1"', ' "e1" ', ['"other"', '"e1"']])(
    'are met by the resource as it is: If-Match %j',
    (value) => {
      expect(check({ 'if-match': value }, resource)).toBe('met')
      expect(check({ 'if-none-match': value }, resource)).toEqual([expect.stringMatching(/^If-None-Match: /), 'W/"e1"'])
    },
  )

  it.each(['W/"e2"', '"e1x"', '', 'W/e1', '"*"', '*, "e2"'])('are not met by another: If-Match %j', (value) => {
    expect(check({ 'if-match': value }, resource)).toEqual([`If-Match: ${value}`, 'W/"e1"'])
    expect(check({ 'if-none-match': value }, resource)).toBe('met')
  })

  it('ask for a resource, or for none, whatever it is', () => {
    expect(check({ 'if-match': '*' }, undefined)).toEqual(['If-Match: *', 'no such resource'])
    expect(check({ 'if-match': '' }, undefined)).toEqual(['If-Match: ', 'no such resource'])
    expect(check({ 'if-none-match': '*' }, undefined)).toBe('met')
  })

  it('of a reader that has the resource already keep nothing from it', () => {
    expect(check({ 'if-none-match': '*' }, resource, 'GET')).toBe('met')
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST'] as const)
      expect([method, check({ 'if-none-match': '*' }, resource, method)]).toEqual([method, expect.any(Array)])
    expect(check({ 'if-match': '"e2"' }, resource, 'GET')).toEqual(['If-Match: "e2"', 'W/"e1"'])
  })

  it('are both held to, and shown no longer than a line', () => {
    expect(check({ 'if-match': '"e1"', 'if-none-match': '"e1"' }, resource)).toEqual(['If-None-Match: "e1"', 'W/"e1"'])
    expect(check({ 'if-match': 'x'.repeat(200) }, resource)).toEqual([`If-Match: ${'x'.repeat(120)}`, 'W/"e1"'])
  })
})
