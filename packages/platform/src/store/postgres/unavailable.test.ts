import { expect, it } from 'vitest'
import { isUnavailable } from './unavailable.ts'

const failed = (code: string): Error => Object.assign(new Error('failed'), { code })

it.each(['08006', '57P01', '25006', '25P03', 'ECONNRESET'])('takes %s for a database that is away', (code) => {
  expect(isUnavailable(failed(code))).toBe(true)
})

it.each(['23505', '25P02', '40001', '57014', ''])('takes %s for an error of the statement', (code) => {
  expect(isUnavailable(failed(code))).toBe(false)
})
