import type { Code } from './compressed-code.ts'

/** Where OVMF unpacks its drivers (PcdOvmfDxeMemFvBase, edk2 OvmfPkg/OvmfPkgX64.fdf). */
const driversAddress = 0x0090_0000
/** The instructions that contain the volume’s length also contain its address nearby. */
const nearbyBytes = 32
/** One copies the volume; three describe it: as a volume, as reserved memory, as something to measure. */
const expected = { boot: 1, code: 3 } as const

/**
 * Where the firmware has the length of its drivers’ volume (PcdOvmfDxeMemFvSize), a constant in its instructions.
 * @param length of the volume, bytes
 * @returns undefined if the places differ from OVMF's: the volume cannot be shortened
 */
export function placesOfLength(o: Code, length: number): { code: number[]; boot: number[] } | undefined {
  const places = { code: constants(o.code, length), boot: constants(o.boot, length) }
  return places.code.length === expected.code && places.boot.length === expected.boot ? places : undefined
}

/** Each occurrence of a constant with the address nearby. */
function constants(bytes: Buffer, constant: number): number[] {
  const addresses = occurrences(bytes, driversAddress)
  return occurrences(bytes, constant).filter((at) =>
    addresses.some((address) => address !== at && Math.abs(address - at) <= nearbyBytes),
  )
}

function occurrences(bytes: Buffer, constant: number): number[] {
  const wanted = Buffer.alloc(4)
  wanted.writeUInt32LE(constant)
  const found: number[] = []
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) found.push(at)
  return found
}
