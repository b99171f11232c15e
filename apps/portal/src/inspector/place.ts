import { toHex } from '@strongroom/evidence'

/** Hexadecimal of recently requested bytes: a table of fields requests the same ones a hundred times. */
const known = new WeakMap<Uint8Array, string>()

export interface Place {
  from: number
  /** Behind the last byte. */
  to: number
}

/** Position of a field's value in the bytes: only if it is too long to occur elsewhere by chance, and does not. */
export function placeOf(raw: Uint8Array, value: string): Place | undefined {
  if (!/^(?:[0-9a-f]{2}){8,}$/.test(value)) return undefined
  const hex = known.get(raw) ?? toHex(raw)
  known.set(raw, hex)
  const places: number[] = []
  for (let at = hex.indexOf(value); at >= 0 && places.length < 2; at = hex.indexOf(value, at + 1))
    if (at % 2 === 0) places.push(at / 2)
  const [from, other] = places
  return from === undefined || other !== undefined ? undefined : { from, to: from + value.length / 2 }
}
