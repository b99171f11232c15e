import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readFileSync } from 'node:fs'
import { assertMapped, mappedVariables, type PausedMachine } from './mapped-firmware.ts'

const bytes = 2 ** 18 + 2 ** 12
const firmware = Buffer.from(Uint8Array.from({ length: bytes }, (_, index) => (index * 7) ^ (index >> 8)))
const variables = readFileSync('/usr/share/OVMF/OVMF_VARS_4M.fd')
const flash = { firmware: bytes, variables: variables.length }
const digestOf = (of: Buffer): string => createHash('sha256').update(of).digest('hex')
const measured = { firmware: digestOf(firmware), variables: digestOf(variables) }

/** A machine whose memory below 4 GiB and below 1 MiB is this. */
function machine(o: { high?: Buffer; store?: Buffer; low?: Buffer; status?: string } = {}): PausedMachine {
  const { store = variables, low = firmware.subarray(-(2 ** 17)), status = 'prelaunch' } = o
  const high = Buffer.concat([store, o.high ?? firmware])
  return {
    status: async () => await Promise.resolve(status),
    read: async (address, length) => {
      const [memory, at] = address < 2 ** 20 ? [low, address - 0xe_0000] : [high, address - (2 ** 32 - high.length)]
      return await Promise.resolve(memory.subarray(at, at + length))
    },
  }
}
const changed = (of: Buffer, at: number): Buffer => {
  const copy = Buffer.from(of)
  copy[at]! ^= 1
  return copy
}

describe('the firmware that a paused machine maps', () => {
  it('is what was measured', async () => {
    await expect(assertMapped(machine(), flash, measured)).resolves.toBeUndefined()
  })

  it.each([
    ['its first byte', machine({ high: changed(firmware, 0) }), `SHA-256 ${measured.firmware}`],
    ['its last byte', machine({ high: changed(firmware, bytes - 1) }), `SHA-256 ${measured.firmware}`],
    [
      'its copy below 1 MiB',
      machine({ low: changed(firmware.subarray(-(2 ** 17)), 5) }),
      'the end of the firmware below 1 MiB',
    ],
    ['a machine that runs already', machine({ status: 'running' }), 'a machine that has not run'],
    ['a machine that ran and was paused', machine({ status: 'paused' }), 'a machine that has not run'],
  ])('is refused with another in %s (attack E24)', async (_where, paused, expected) => {
    await expect(assertMapped(paused, flash, measured)).rejects.toMatchObject({ code: 'FirmwareExchanged', expected })
  })
})

describe('the UEFI variables that QEMU maps', () => {
  it.each([0, variables.length - 1])('are refused with another byte at %i (attack H36)', async (at) => {
    const store = changed(variables, at)
    await expect(assertMapped(machine({ store }), flash, measured)).rejects.toMatchObject({
      code: 'VariablesExchanged',
      expected: `SHA-256 ${measured.variables}`,
      found: `SHA-256 ${digestOf(store)}`,
    })
  })

  /** A machine whose flash reads as these, one after the other. */
  const reading = (stores: Buffer[]): Pick<PausedMachine, 'read'> => {
    let reads = 0
    return {
      read: async (address, length) => {
        if (address === 2 ** 32 - bytes - variables.length) reads += 1
        return await machine({ store: stores[Math.min(reads, stores.length) - 1]! }).read(address, length)
      },
    }
  }
  const status = Buffer.alloc(variables.length, 0x80)

  it('are what was written to their file, if the machine has it', async () => {
    expect((await mappedVariables(reading([variables]), flash, variables)).equals(variables)).toBe(true)
  })

  it('are read again while the firmware writes them, and are not what the host wrote to their file (attack H36)', async () => {
    const [hosts, written] = [changed(variables, 0x300), changed(variables, 0x200)]
    const found = await mappedVariables(reading([status, status, variables, written]), flash, hosts)
    expect([found.equals(written), digestOf(found)]).toEqual([true, digestOf(written)])
  })

  it('are not what a flash answers that does not come to rest', async () => {
    await expect(mappedVariables(reading([status]), flash, status)).rejects.toThrow('did not come to rest')
  })
})
