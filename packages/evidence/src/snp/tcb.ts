import { ParseError } from '../core/errors.ts'
import { productLine, type SnpProduct, type TcbVersion } from './products.ts'

export const tcbParts: readonly (keyof TcbVersion)[] = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode']

/** @throws ParseError ReservedNotZero */
export function decodeTcb(raw: bigint, product: SnpProduct): TcbVersion {
  const version: TcbVersion = { fmc: 0, bootLoader: 0, tee: 0, snp: 0, microcode: 0 }
  for (const [index, part] of productLine(product).tcb.entries()) {
    const value = Number((raw >> BigInt(8 * index)) & 0xffn)
    if (part !== undefined) version[part] = value
    else if (value !== 0) {
      throw new ParseError({
        code: 'ReservedNotZero',
        message: 'TCB version has reserved bytes that are not zero',
        found: raw.toString(16).padStart(16, '0'),
      })
    }
  }
  return version
}

export function encodeTcb(version: TcbVersion, product: SnpProduct): bigint {
  let raw = 0n
  for (const [index, part] of productLine(product).tcb.entries()) {
    if (part !== undefined) raw |= BigInt(version[part] & 0xff) << BigInt(8 * index)
  }
  return raw
}

/** For messages: `fmc 0, bootLoader 3, tee 0, snp 8, microcode 115`. */
export function describeTcb(version: TcbVersion): string {
  return tcbParts.map((part) => `${part} ${version[part]}`).join(', ')
}
