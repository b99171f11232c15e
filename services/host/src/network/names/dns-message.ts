/** One question of a DNS message (RFC 1035, section 4.1). */
export interface DnsQuestion {
  id: number
  /** Recursion desired: it is repeated in the answer. */
  recursion: boolean
  /** Lower case, without the final dot; empty for the root. */
  name: string
  type: number
  class: number
  /** The question as sent, to be repeated. */
  raw: Uint8Array
}

export const dnsTypes = { a: 1 } as const
export const dnsCodes = { good: 0, formatError: 1, noSuchName: 3, notImplemented: 4 } as const
const internet = 1
const labelForm = /^[\x21-\x7e]{1,63}$/

/** Undefined unless it is a query with one question: others are not answered. */
export function parseDnsQuery(message: Uint8Array): DnsQuestion | undefined {
  const view = Buffer.from(message.buffer, message.byteOffset, message.length)
  if (view.length < 12 + 5) return undefined
  const flags = view.readUInt16BE(2)
  // A response, or an operation other than a query.
  if ((flags & 0xf800) !== 0 || view.readUInt16BE(4) !== 1) return undefined
  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = view[at]
    // A pointer could only point back to nothing.
    if (length === undefined || length > 63) return undefined
    at += 1
    if (length === 0) break
    const label = view.subarray(at, at + length).toString('latin1')
    if (label.length !== length || !labelForm.test(label) || label.includes('.')) return undefined
    labels.push(label)
    at += length
    if (at - 12 > 254) return undefined
  }
  if (at + 4 > view.length) return undefined
  return {
    id: view.readUInt16BE(0),
    recursion: (flags & 0x0100) !== 0,
    name: labels.join('.').toLowerCase(),
    type: view.readUInt16BE(at),
    class: view.readUInt16BE(at + 2),
    raw: view.subarray(12, at + 4),
  }
}

/**
 * The answer to a question, with one address or none.
 * @param o.address four bytes, for a question of type A
 */
export function dnsAnswer(
  question: DnsQuestion,
  o: { code: number; address?: readonly number[]; seconds: number },
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(question.id, 0)
  header.writeUInt16BE(0x8080 | (question.recursion ? 0x0100 : 0) | o.code, 2)
  header.writeUInt16BE(1, 4)
  if (o.address === undefined) return Buffer.concat([header, question.raw])
  header.writeUInt16BE(1, 6)
  const record = Buffer.alloc(12)
  // The name is the question's.
  record.writeUInt16BE(0xc00c, 0)
  record.writeUInt16BE(dnsTypes.a, 2)
  record.writeUInt16BE(internet, 4)
  record.writeUInt32BE(o.seconds, 6)
  record.writeUInt16BE(4, 10)
  return Buffer.concat([header, question.raw, record, Buffer.from(o.address)])
}
