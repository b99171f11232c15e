import { ParseError } from '../core/errors.ts'
import { productLine, type SnpProduct, type TcbVersion } from './products.ts'

/**
 * Components of a TCB version, in the order used in messages.
 * @example
 * import { tcbParts } from '@strongroom/evidence'
 *
 * const version = { fmc: 0, bootLoader: 4, tee: 0, snp: 24, microcode: 219 }
 * tcbParts.map((part) => version[part]) // => [0, 4, 0, 24, 219]
 */
export const tcbParts: readonly (keyof TcbVersion)[] = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode']

/**
 * @throws ParseError ReservedNotZero
 * @example
 * import { decodeTcb } from '@strongroom/evidence'
 *
 * decodeTcb(0xdb18_0000_0000_0004n, 'Milan') // => { fmc: 0, bootLoader: 4, tee: 0, snp: 24, microcode: 219 }
 */
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

/**
 * The 64 bits of TCB_VERSION, in the layout of the processor line.
 * @example
 * import { encodeTcb } from '@strongroom/evidence'
 *
 * const version = { fmc: 0, bootLoader: 4, tee: 0, snp: 24, microcode: 219 }
 * encodeTcb(version, 'Milan').toString(16) // => 'db18000000000004'
 */
export function encodeTcb(version: TcbVersion, product: SnpProduct): bigint {
  let raw = 0n
  for (const [index, part] of productLine(product).tcb.entries()) {
    if (part !== undefined) raw |= BigInt(version[part] & 0xff) << BigInt(8 * index)
  }
  return raw
}

/**
 * For messages: `fmc 0, bootLoader 3, tee 0, snp 8, microcode 115`.
 * @example
 * import { describeTcb } from '@strongroom/evidence'
 *
 * describeTcb({ fmc: 0, bootLoader: 3, tee: 0, snp: 8, microcode: 115 }) // => 'fmc 0, bootLoader 3, tee 0, snp 8, microcode 115'
 */
export function describeTcb(version: TcbVersion): string {
  return tcbParts.map((part) => `${part} ${version[part]}`).join(', ')
}
