import { describe, expect, it } from 'vitest'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { fromHex, toHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import { bootRegisters, nothingPassed, separatorAlone } from './boot-registers.ts'
import { acpiFiles, predictPcr1, tableLoader } from './pcr1.ts'
import { extendAll, separatorDigest } from './pcr.ts'

const read = (name: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`fixtures/${name}`, import.meta.url))))

/** What QEMU 10.0.13 gave OVMF 2025.02 for a machine with two processors and 8 GiB, and PCR 1 as its vTPM quoted it. */
const recorded = (): Map<string, Uint8Array> =>
  new Map([
    [tableLoader, read('table-loader.bin.gz')],
    ['etc/acpi/rsdp', fromHex('525344205054522000424f4348532000b4260000')],
    ['etc/acpi/tables', read('acpi-tables.bin.gz')],
    ['etc/tpm/log', new Uint8Array(65_536)],
  ])
const quoted = '95d17c83406edeb22d47f766c5e0502b2d6f624b3937af8c934f6f64ae9a6282'

describe('PCR 1', () => {
  it('equals what a vTPM quoted after a real boot', async () => {
    expect(toHex(await predictPcr1(recorded()))).toBe(quoted)
  })

  it('is another with a table changed in one bit or added (attack B3)', async () => {
    for (const name of recorded().keys()) {
      const files = recorded()
      const bytes = files.get(name)!
      bytes[bytes.length - 1]! ^= 1
      expect(toHex(await predictPcr1(files)), name).not.toBe(quoted)
    }
    const files = recorded()
    files.set('etc/acpi/tables', new Uint8Array([...files.get('etc/acpi/tables')!, 0]))
    expect(toHex(await predictPcr1(files))).not.toBe(quoted)
  })

  it('is of nothing less than all files that the loader names', async () => {
    const files = recorded()
    expect(acpiFiles(files.get(tableLoader)!)).toEqual(['etc/acpi/rsdp', 'etc/tpm/log', 'etc/acpi/tables'])
    files.delete('etc/tpm/log')
    await expect(predictPcr1(files)).rejects.toMatchObject({ code: 'Missing' })
  })

  it('is read from a list of commands, or refused with a ParseError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1024 }), (bytes) => {
        try {
          acpiFiles(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
    expect(() => acpiFiles(new Uint8Array(65_536 + 128))).toThrow(ParseError)
  })
})

describe('registers of drivers and devices', () => {
  it('are those that the separator alone was extended into', async () => {
    expect(toHex(await extendAll([await separatorDigest()]))).toBe(toHex(separatorAlone))
    expect(Object.keys(nothingPassed).every((index) => bootRegisters.includes(Number(index) as 2))).toBe(true)
  })
})
