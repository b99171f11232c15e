import { describe, expect, it } from 'vitest'
import { toHex } from '../../../core/bytes/hex.ts'
import { predictMachine, machineTables } from './machine-tables.ts'
import { machineLimits, pciWindow, type Machine } from './machine.ts'

const machine = (technology: Machine['technology'], vCPUs: number, memoryMiB: number, interfaces: number): Machine => ({
  technology,
  vCPUs,
  memoryMiB,
  interfaces,
})
const small = machine('SNP', 2, 8192, 1)

describe('PCR 1 of a machine', () => {
  it('is what a vTPM quoted on it (attack B3)', async () => {
    expect(toHex(await predictMachine(small))).toBe('e9243f7adb2a38d861f5202bea4b34a296fd86d6107f158ea48eb66a76aa709a')
  })

  // From the files of QEMU 10.0.13; services/host/src/qemu compares every size with the installed one.
  it.each([
    [machine('SNP', 1, 8192, 1), '9ffb5407228b23db179994586b3cf822f066b6e82d83bd438e91072e364aaaac'],
    [machine('SNP', 2, 2815, 1), 'bc2e07018bac72e2077d89f8fb0c979e3304faa1d63135ac7089c4327fe21d1f'],
    [machine('SNP', 2, 8192, 8), 'ef9d2ec29c7cc25b58df0c525dcdbfc504eee0affe9c5ce78ea8ad83e1cf4907'],
    [machine('SNP', 17, 8192, 1), 'd400c0bb2fc373710836089e83dfc2a8cc718376b675be89439380101e58abba'],
    [machine('SNP', 128, 524_288, 8), '08281b7d1ef0b362c6d52e8492aed7b4e2b8102bfc08e1bbacd4027577fac5d0'],
    [machine('TDX', 2, 1024, 1), 'bffa37c2790f19b18ed2c37f43a7d64c41d4fbffbd84368ff416c3c07d95a44e'],
    [machine('TDX', 16, 30_720, 3), '11b27ebbf36e5559e3df919c5f8b2ac2185fbb97cd9c87956532594bb424533c'],
    [machine('TDX', 128, 524_288, 8), '2ca548012e2fe37d544033ebb76d1f01ae3f316d81b73e8fe66b0ec76495c2aa'],
  ])('is that of QEMU’s tables for %o', async (shape, register) => {
    expect(toHex(await predictMachine(shape))).toBe(register)
  })

  it.each([
    ['vCPUs', [0, 129, 1.5, Number.NaN]],
    ['memoryMiB', [511, 786_433, -1]],
    ['interfaces', [0, 9]],
  ] as const)('is computed of no machine that no size has: %s', async (member, values) => {
    for (const value of values)
      await expect(machineTables({ ...small, [member]: value }), String(value)).rejects.toMatchObject({
        code: 'InvalidValue',
        message: `machine: ${member} is ${value}, not a whole number from ${machineLimits[member].join(' to ')}`,
      })
  })
})

describe('the window of 64-bit PCI addresses', () => {
  it('is the last quarter of what an AMD processor can address, and behind the memory with an Intel one', () => {
    expect(pciWindow(small)).toBe(0xc0_0000_0000)
    expect(pciWindow({ technology: 'TDX', memoryMiB: 8192 })).toBe(32 * 2 ** 30)
    expect(pciWindow({ technology: 'TDX', memoryMiB: 32_768 })).toBe(64 * 2 ** 30)
  })
})
