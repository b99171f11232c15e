import type { File } from './case.ts'

type Pick = (below: number) => number

/** A changed file, and what the judgement has to name if it still accepts it: the place that was added. */
export interface Change {
  bytes: Uint8Array
  /** Places, or words, one of which has to be named as unused. */
  named?: readonly string[]
}

export const kinds = [
  'flip',
  'insert',
  'append',
  'truncate',
  'duplicate',
  'overwrite',
  'member',
  'text',
  'second',
] as const
export type Kind = (typeof kinds)[number]

const joined = (...parts: (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))))

const random = (pick: Pick, length: number): Uint8Array => Uint8Array.from({ length }, () => pick(256))

/** One change of this kind; undefined where the file has no place for it. @param others genuine files to take from */
export function change(kind: Kind, bytes: Uint8Array, pick: Pick, others: readonly File[]): Change | undefined {
  const at = pick(bytes.length)
  const length = 1 + pick(Math.min(64, bytes.length - at))
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  const other = others[pick(others.length)]?.[1] ?? new Uint8Array()
  switch (kind) {
    case 'flip': {
      const out = Uint8Array.from(bytes)
      out[at] = (out[at] ?? 0) ^ (1 << pick(8))
      return { bytes: out }
    }
    case 'insert':
      return { bytes: joined(head, random(pick, length), tail) }
    case 'append':
      return { bytes: joined(bytes, pick(3) === 0 ? new Uint8Array(length) : random(pick, length)) }
    case 'truncate':
      return { bytes: head }
    case 'duplicate':
      return { bytes: pick(2) === 0 ? joined(bytes, bytes) : joined(head, tail.subarray(0, length), tail) }
    case 'overwrite':
      return { bytes: joined(head, random(pick, length), tail.subarray(length)) }
    case 'member':
      return member(bytes, pick, other)
    case 'text':
      return line(bytes, pick)
    case 'second':
      return second(bytes, pick, other)
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** A member that no reader knows, in some object of a JSON text: junk, or evidence that was altered. */
function member(bytes: Uint8Array, pick: Pick, other: Uint8Array): Change | undefined {
  const text = textOf(bytes)
  if (!/^\s*[{[]/.test(text)) return undefined
  const places = [...text.matchAll(/\{/g)].map(({ index }) => index + 1)
  const at = places[pick(places.length)]
  if (at === undefined) return undefined
  const name = `added${pick(1e6)}`
  const junk = [
    pick(1000),
    'x'.repeat(pick(2000)),
    [1, 2],
    { deep: 'y' },
    Buffer.from(altered(other, pick)).toString('hex'),
  ]
  const empty = /^\s*\}/.test(text.slice(at))
  const added = `${JSON.stringify(name)}:${JSON.stringify(junk[pick(junk.length)])}${empty ? '' : ','}`
  const out = joined(Buffer.from(text.slice(0, at), 'latin1'), added, Buffer.from(text.slice(at), 'latin1'))
  const path = pathTo(name, parsed(textOf(out)))
  return path && { bytes: out, named: path.map((_, index) => path.slice(0, index + 1).join(' ')) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Names of the members on the way to this one. */
function pathTo(name: string, value: unknown): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const [member, inner] of Object.entries(value)) {
    const rest = member === name ? [] : pathTo(name, inner)
    if (rest !== undefined) return [member, ...rest]
  }
  return undefined
}

/** A line of text before, between or behind PEM blocks. */
function line(bytes: Uint8Array, pick: Pick): Change | undefined {
  const text = textOf(bytes)
  if (!text.startsWith('-----BEGIN ')) return undefined
  const places = [0, ...[...text.matchAll(/-----END [A-Z0-9 ]+-----\n?/g)].map((end) => end.index + end[0].length)]
  const at = places[pick(places.length)] ?? 0
  return { bytes: joined(text.slice(0, at), `\nadded ${pick(1e6)}\n`, text.slice(at)), named: [] }
}

function altered(bytes: Uint8Array, pick: Pick): Uint8Array {
  const out = Uint8Array.from(bytes)
  const at = pick(Math.max(1, out.length))
  out[at] = (out[at] ?? 0) ^ (1 << pick(8))
  return out
}

/** A second piece behind the first: another genuine file, or an altered one. */
function second(bytes: Uint8Array, pick: Pick, other: Uint8Array): Change | undefined {
  if (other.length === 0) return undefined
  const more = pick(2) === 0 ? other : altered(other, pick)
  return { bytes: joined(bytes, ...(pick(2) === 0 ? [] : [new Uint8Array(pick(64))]), more) }
}
