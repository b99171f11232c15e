import { describe, expect, it } from 'vitest'
import { match } from './router.ts'
import { findPage } from '../app/routes.ts'

describe('places', () => {
  it('give the parts that a pattern names, decoded', () => {
    expect(match('/machines/:group/:name', '/machines/a%20b/c')).toEqual({ group: 'a b', name: 'c' })
    expect(match('/files/*', '/files/a/b')).toEqual({ rest: 'a/b' })
    expect(match('/', '/')).toEqual({})
  })

  it.each(['/machines/a', '/machines/a/b/c', '/machines//b', '/machines/%zz/b', '/machines/a/'])(
    'are not %s',
    (path) => {
      expect(match('/machines/:group/:name', path)).toBeUndefined()
    },
  )

  it('are tried in order: what is fixed comes before what is named', () => {
    expect(findPage('/machines/new')?.page.title).toBe('Make a machine')
    expect(findPage('/elsewhere')).toBeUndefined()
  })
})
