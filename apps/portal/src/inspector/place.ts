import { toHex } from '@strongroom/evidence'

/** Hexadecimal of bytes that were asked about last: a table of fields asks about the same ones a hundred times. */
const known = new WeakMap<Uint8Array, string>()

export interface Place {
  from: number
  /** Behind the last byte. */
  to: number
}

/** Where in the bytes a field's value stands: only where it is long enough to stand nowhere else by chance, and does not. */
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
