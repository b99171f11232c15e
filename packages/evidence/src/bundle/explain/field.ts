import { toHex } from '../../core/bytes/hex.ts'

/** One field, for display. */
export interface Field {
  name: string
  value: string
  meaning: string
}

export interface Explanation {
  /** File, and place in it. */
  name: string
  kind: string
  title: string
  fields: Field[]
  /** Why the bytes cannot be read. */
  fault?: string
}

/** Hexadecimal; a short form for the zeros of an unset field. */
export function bytesText(bytes: Uint8Array): string {
  if (bytes.length > 4 && bytes.every((byte) => byte === 0)) return `zero (${bytes.length} bytes)`
  return toHex(bytes)
}

/** A token's time, seconds since 1970, as a date; undefined for anything else. */
export function timeText(seconds: unknown): string | undefined {
  if (typeof seconds !== 'number') return undefined
  const time = new Date(seconds * 1000)
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString()
}

export function hexNumber(value: bigint | number): string {
  return `0x${value.toString(16)}`
}

export function yesNo(value: boolean): string {
  return value ? 'yes' : 'no'
}
