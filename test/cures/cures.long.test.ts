import { expect, it } from 'vitest'
import { cures } from './cures.ts'
import { faultsOf } from './main.ts'

it('each stop an attack: the test that names it fails without', { timeout: 3_600_000 }, () => {
  expect(faultsOf(cures, () => undefined)).toEqual([])
})
