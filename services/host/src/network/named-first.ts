/**
 * Reads the name that a program says first on its connection.
 * @returns what was said, without a name where these bytes say none; undefined where it is not said yet
 */
export type NameReader = (head: Uint8Array) => Said | undefined
interface Said {
  name?: string
}
const none: Said = {}

/** Longest first words, in bytes: of TLS a ClientHello, of HTTP the header. */
const mostBytes = 32 * 1024
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/

/** Server name of a ClientHello (RFC 6066, section 3), in one or more TLS records. */
export const serverName: NameReader = (head) => {
  const handshake: number[] = []
  const view = Buffer.from(head.buffer, head.byteOffset, head.length)
  for (let at = 0; ;) {
    if (at < view.length && view[at] !== 22) return none
    if (at + 5 > view.length) return atMost(view)
    if (view[at + 1] !== 3) return none
    const length = view.readUInt16BE(at + 3)
    if (length === 0 || length > 16_384) return none
    handshake.push(...view.subarray(at + 5, at + 5 + length))
    at += 5 + length
    if (handshake.length < 4) continue
    if (handshake[0] !== 1) return none
    const wanted = 4 + Buffer.from(handshake).readUIntBE(1, 3)
    if (wanted > mostBytes) return none
    if (handshake.length >= wanted) return nameIn(Buffer.from(handshake.slice(4, wanted)))
    if (at > view.length) return atMost(view)
  }
}

const atMost = (view: Uint8Array): Said | undefined => (view.length > mostBytes ? none : undefined)

/** None for a hello that is cut or has no name of a host. */
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
        // A list of one name: its type, which has to be that of a host, and its length.
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

/** Host of an HTTP/1.1 request (RFC 9112, section 3.2): of two that differ, none. */
export const requestHost: NameReader = (head) => {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return atMost(head)
  const [line = '', ...fields] = text.slice(0, end).split('\r\n')
  if (!/^[A-Z]+ \S+ HTTP\/1\.[01]$/.test(line)) return none
  const hosts = fields.flatMap((field) => /^host:[ \t]*(\S*)[ \t]*$/i.exec(field)?.[1] ?? [])
  const [host = ''] = hosts
  const name = host.replace(/:80$/, '')
  return hosts.length === 1 && nameForm.test(name) ? { name: name.toLowerCase() } : none
}
