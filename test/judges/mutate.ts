/** Numbers from a seed (mulberry32): the same seed gives the same mutations on every machine. */
export function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** One change as made by attackers and broken transports. Rarely the unchanged bytes. */
export function mutate(bytes: Uint8Array, pick: (below: number) => number, other: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes)
  const at = pick(Math.max(1, out.length))
  const length = 1 + pick(Math.min(64, Math.max(1, out.length - at)))
  switch (pick(10)) {
    case 0:
    case 1:
    case 2:
      // One bit.
      out[at] = (out[at] ?? 0) ^ (1 << pick(8))
      return out
    case 3:
      out[at] = pick(256)
      return out
    case 4:
      return out.fill(0, at, at + length)
    case 5:
      // Two places exchanged.
      return swapped(out, at, pick(Math.max(1, out.length)))
    case 6:
      return out.slice(0, at)
    case 7:
      return joined(out, other.slice(0, pick(Math.min(64, other.length))))
    case 8:
      // The same place of another genuine structure.
      out.set(other.subarray(at, Math.min(at + length, other.length, out.length)), at)
      return out
    default:
      // A part twice, or once less.
      return pick(2) === 0
        ? joined(out.slice(0, at + length), out.slice(at))
        : joined(out.slice(0, at), out.slice(at + length))
  }
}

/** Like `mutate`, for texts with one byte per character. */
export function mutateText(text: string, pick: (below: number) => number, other: string): string {
  return Buffer.from(mutate(Buffer.from(text, 'latin1'), pick, Buffer.from(other, 'latin1'))).toString('latin1')
}

function swapped(bytes: Uint8Array, left: number, right: number): Uint8Array {
  const kept = bytes[left] ?? 0
  bytes[left] = bytes[right] ?? 0
  bytes[right] = kept
  return bytes
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const all = new Uint8Array(left.length + right.length)
  all.set(left)
  all.set(right, left.length)
  return all
}
