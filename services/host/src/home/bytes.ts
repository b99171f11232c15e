/** JSON with bytes as `{ base64 }`: exchanged with another machine's processor. */
export function encodeBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(encodeBytes)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, encodeBytes(each)]))
}

export function decodeBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(decodeBytes)
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first?.[0] === 'base64' && typeof first[1] === 'string')
    return Uint8Array.from(Buffer.from(first[1], 'base64'))
  return Object.fromEntries(entries.map(([name, each]) => [name, decodeBytes(each)]))
}
