import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { postgresAddresses } from './addresses.ts'

const codeOf = (url: string): unknown => {
  try {
    return postgresAddresses(url)
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

describe('the URL of a PostgreSQL server', () => {
  it('stays as it is for one server, by name, address or socket', () => {
    for (const url of [
      'postgres://strongroom:p%40ss@db.example:5432/strongroom?sslmode=verify-full',
      'postgresql://db.example',
      'postgres://[2001:db8::1]:5433/strongroom',
      'postgres://postgres@localhost/postgres?host=%2Frun%2Fpostgresql',
    ])
      expect(postgresAddresses(url)).toEqual([url])
  })

  it('names several servers as libpq does, each with the user, the database and the settings', () => {
    expect(
      postgresAddresses('postgres://u:p@a,b:5433,[::1]:5434/d?sslmode=verify-full&target_session_attrs=read-write'),
    ).toEqual([
      'postgres://u:p@a/d?sslmode=verify-full',
      'postgres://u:p@b:5433/d?sslmode=verify-full',
      'postgres://u:p@[::1]:5434/d?sslmode=verify-full',
    ])
    expect(postgresAddresses('postgres://a,b/d?target_session_attrs=primary')).toEqual([
      'postgres://a/d',
      'postgres://b/d',
    ])
  })

  it.each([
    ['a standby', 'postgres://u@a,b/d?target_session_attrs=any'],
    ['an empty server name', 'postgres://u@a,,b/d'],
    ['a server twice', 'postgres://u@a:1,b:1,a:1/d'],
    ['a fragment', 'postgres://u@a,b/d#x'],
  ])('is refused where it names %s', (_what, url) => {
    expect(codeOf(url)).toBe('InvalidStoreUrl')
  })

  it('never repeats the password in a refusal', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9]{8,20}$/), fc.constantFrom('a,,b', 'a,a'), (password, hosts) => {
        try {
          postgresAddresses(`postgres://u:${password}@${hosts}/d`)
          return false
        } catch (error) {
          return !JSON.stringify([error, (error as Error).message]).includes(password)
        }
      }),
    )
  })
})
