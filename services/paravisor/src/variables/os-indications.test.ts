import { efiVendor, parseVariableStore, type EfiVariable } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { flashOf } from '../firmware/uefi-variables.ts'
import { withoutOsIndications } from './os-indications.ts'

const variable = (name: string, vendor: string): EfiVariable => ({
  name,
  vendor,
  attributes: 7,
  timestamp: new Uint8Array(16),
  data: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
})
const others = [variable('BootNext', efiVendor.global), variable('OsIndications', efiVendor.imageSecurity)]

describe('the variable OsIndications', () => {
  it('is removed before the boot, with a notice that says what it would do', async () => {
    const found = await flashOf([variable('OsIndications', efiVendor.global), ...others])
    const { flash, notices } = await withoutOsIndications(found)
    expect(parseVariableStore(flash)).toEqual(parseVariableStore(await flashOf(others)))
    expect(notices).toEqual([expect.stringMatching(/OsIndications .* PCR 4, and the OS disk would not unlock\.$/)])
  })

  it('is the only reason to write the variables again', async () => {
    const found = await flashOf(others)
    const { flash, notices } = await withoutOsIndications(found)
    expect([flash === found, notices]).toEqual([true, []])
  })
})
