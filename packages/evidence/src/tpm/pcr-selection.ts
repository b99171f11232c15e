import type { ByteReader } from '../core/bytes/byte-reader.ts'
import { type HashName, hashAlgorithmById } from '../eventlog/algorithms.ts'
import { ParseError } from '../core/errors.ts'

/** TPMS_PCR_SELECTION: registers of one bank, ascending. */
export interface PcrSelection {
  bank: HashName
  pcrs: readonly number[]
}

/** Reads a TPML_PCR_SELECTION (TPM 2.0 part 2, section 10.9.7). @throws ParseError */
export function readPcrSelections(reader: ByteReader): PcrSelection[] {
  const count = reader.u32be('number of PCR selections')
  if (count > 16)
    throw new ParseError({
      code: 'TooLarge',
      message: 'more PCR selections than a TPM has banks',
      offset: reader.offset,
      found: String(count),
    })
  const selections: PcrSelection[] = []
  for (let at = 0; at < count; at++) {
    const offset = reader.offset
    const id = reader.u16be('PCR bank')
    const algorithm = hashAlgorithmById(id)
    if (algorithm === undefined)
      throw new ParseError({
        code: 'UnknownType',
        message: 'PCR bank of an unknown hash',
        offset,
        found: `0x${id.toString(16)}`,
      })
    const size = reader.u8('size of PCR bitmap')
    if (size < 3 || size > 4)
      throw new ParseError({
        code: 'InvalidValue',
        message: 'PCR bitmap of an impossible size',
        offset,
        expected: '3 or 4',
        found: String(size),
      })
    const bitmap = reader.bytes(size, 'PCR bitmap')
    if (selections.some((selection) => selection.bank === algorithm.name)) {
      throw new ParseError({ code: 'Duplicate', message: `PCR bank ${algorithm.name} is selected twice`, offset })
    }
    const pcrs: number[] = []
    for (const [byteIndex, byte] of bitmap.entries()) {
      for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) pcrs.push(byteIndex * 8 + bit)
    }
    selections.push({ bank: algorithm.name, pcrs })
  }
  return selections
}
