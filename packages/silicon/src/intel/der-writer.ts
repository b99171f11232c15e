import { concat } from '@strongroom/evidence'

/** Encodes one DER value (X.690): identifier octet, minimal length, content. */
export function derValue(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concat(...parts)
  const { length } = content
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content)
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return concat(Uint8Array.of(tag, 0x80 | bytes.length, ...bytes), content)
}

export function derSequence(...parts: Uint8Array[]): Uint8Array {
  return derValue(0x30, ...parts)
}

/** INTEGER that is not negative. */
export function derInteger(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  if (bytes.length === 0 || (bytes[0] ?? 0) >= 0x80) bytes.unshift(0)
  return derValue(0x02, Uint8Array.from(bytes))
}

export function derBoolean(value: boolean): Uint8Array {
  return derValue(0x01, Uint8Array.of(value ? 0xff : 0))
}

export function derOctets(bytes: Uint8Array): Uint8Array {
  return derValue(0x04, bytes)
}

export function derEnumerated(value: number): Uint8Array {
  return derValue(0x0a, Uint8Array.of(value))
}

/** OBJECT IDENTIFIER from its dotted form. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const group = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) group.unshift(0x80 | (left % 128))
    bytes.push(...group)
  }
  return derValue(0x06, Uint8Array.from(bytes))
}
