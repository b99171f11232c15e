/** The target a program has named; no name if its first bytes contain none. */
interface Said {
  name?: string
}

/**
 * Reads a connection's first bytes as they arrive, examining each once: a guest that sends byte by byte costs its host
 * no more (attack W21).
 * @returns undefined if the name is not complete yet
 */
export type NameReader = (piece: Uint8Array) => Said | undefined
const none: Said = {}

/** Maximum length in bytes: of TLS the ClientHello, of HTTP the header. */
const mostBytes = 32 * 1024
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/

/** Server name of a ClientHello (RFC 6066, section 3), in one or more TLS records. */
export function serverName(): NameReader {
  const handshake = Buffer.alloc(mostBytes)
  let length = 0
  let taken = 0
  const header: number[] = []
  /** Bytes of the record still to come. */
  let left = 0
  const isWhole = (): boolean => length >= 4 && length >= 4 + handshake.readUIntBE(1, 3)
  return (piece) => {
    taken += piece.length
    for (let at = 0; at < piece.length;) {
      if (left === 0) {
        header.push(piece[at]!)
        at += 1
        if (header[0] !== 22 || (header.length > 1 && header[1] !== 3)) return none
        if (header.length < 5) continue
        left = header[3]! * 256 + header[4]!
        header.length = 0
        if (left === 0 || left > 16_384) return none
        continue
      }
      const part = piece.subarray(at, at + Math.min(left, mostBytes - length))
      handshake.set(part, length)
      length += part.length
      at += part.length
      left -= part.length
      if (handshake[0] !== 1) return none
      if (isWhole()) return nameIn(handshake.subarray(4, 4 + handshake.readUIntBE(1, 3)))
      if (length === mostBytes) return none
    }
    return taken > mostBytes ? none : undefined
  }
}

/** None for a truncated hello, or one without a host name. */
function nameIn(hello: Buffer): Said {
  try {
    let at = 2 + 32
    at += 1 + hello.readUInt8(at)
    at += 2 + hello.readUInt16BE(at)
    at += 1 + hello.readUInt8(at)
    const end = at + 2 + hello.readUInt16BE(at)
    at += 2
    while (at + 4 <= end) {
      const [type, length] = [hello.readUInt16BE(at), hello.readUInt16BE(at + 2)]
      at += 4
      if (type === 0) {
        // A list of one name: its type, which must be host_name, and its length.
        if (hello.readUInt8(at + 2) !== 0) return none
        const name = hello.subarray(at + 5, at + 5 + hello.readUInt16BE(at + 3)).toString('latin1')
        return name.length === hello.readUInt16BE(at + 3) && nameForm.test(name) ? { name: name.toLowerCase() } : none
      }
      at += length
    }
    return none
  } catch (error) {
    if (error instanceof RangeError) return none
    throw error
  }
}

const endOfHeader = '\r\n\r\n'

/** Host of an HTTP/1.1 request (RFC 9112, section 3.2): none if there are two that differ. */
export function requestHost(): NameReader {
  let text = ''
  return (piece) => {
    const from = Math.max(0, text.length - endOfHeader.length + 1)
    text += Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')
    const end = text.indexOf(endOfHeader, from)
    if (end >= 0 && end <= mostBytes) return hostIn(text.slice(0, end))
    return text.length > mostBytes ? none : undefined
  }
}

function hostIn(head: string): Said {
  const [line = '', ...fields] = head.split('\r\n')
  if (!/^[A-Z]+ \S+ HTTP\/1\.[01]$/.test(line)) return none
  const hosts = fields.flatMap((field) => {
    const colon = field.indexOf(':')
    return field.slice(0, colon).toLowerCase() === 'host' ? [field.slice(colon + 1).trim()] : []
  })
  const name = (hosts[0] ?? '').replace(/:80$/, '')
  return hosts.length === 1 && nameForm.test(name) ? { name: name.toLowerCase() } : none
}
