import { expect, it } from 'vitest'
import { splitPassword } from './stores.ts'

it.each([
  ['postgres://db/strongroom', 'postgres://db/strongroom', undefined],
  ['postgres://me@db/strongroom', 'postgres://me@db/strongroom', undefined],
  ['postgres://me:p%3Aa%40@one,two:5433/strongroom', 'postgres://me@one,two:5433/strongroom', 'p:a@'],
  ['postgresql://me@db/strongroom?password=s%26t', 'postgresql://me@db/strongroom', 's&t'],
  [
    'postgres://db/strongroom?user=me&password=x&sslmode=require',
    'postgres://db/strongroom?user=me&sslmode=require',
    'x',
  ],
  ['postgres://me:one@db/strongroom?password=two', 'postgres://me@db/strongroom', 'two'],
])('the arguments of PostgreSQL’s programs have no password: %s', (url, conninfo, password) => {
  expect(splitPassword(url)).toEqual({ conninfo, ...(password !== undefined && { password }) })
})
