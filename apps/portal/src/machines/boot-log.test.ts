import { expect, it } from 'vitest'
import { plainText } from './boot-log.tsx'

it('shows what a console wrote without a terminal’s colours and movements', () => {
  expect(plainText('[\u001B[0;32m  OK  \u001B[0m] Reached target\u001B[K\r\n')).toBe('[  OK  ] Reached target\n')
  expect(plainText('[0] a [m] of an array')).toBe('[0] a [m] of an array')
})
