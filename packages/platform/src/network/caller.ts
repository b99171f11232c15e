import { connect, isIPv6, type Socket, type TcpNetConnectOpts } from 'node:net'

/** Connections of guests that this process made and has not ended yet: `address port`, as their server sees them. */
const made = new Set<string>()

/**
 * Connects on behalf of a guest, from a loopback address of its own. Any local program can bind such an address, so
 * only connections made here count as the guest's (`callerAddress`).
 */
export function connectForGuest(o: TcpNetConnectOpts & { localAddress: string }): Socket {
  const socket = connect(o)
  // The socket is bound in this tick, queued before this one, and accepted in a later turn of the event loop.
  process.nextTick(() => {
    if (socket.localPort === undefined) return
    const key = `${socket.localAddress} ${socket.localPort}`
    made.add(key)
    socket.once('close', () => made.delete(key))
  })
  return socket
}

type Peer = Pick<Socket, 'remoteAddress'> & Partial<Pick<Socket, 'remotePort'>>

const local = '127.0.0.1'

/**
 * Who calls, by address: a guest by its own; every other local program as 127.0.0.1, from whichever of this machine's
 * millions of loopback addresses it comes; `local` without one, through a Unix socket.
 */
export function callerAddress(socket: Peer): string {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined) return 'local'
  if (made.has(`${remoteAddress} ${remotePort}`)) return remoteAddress
  const plain = remoteAddress.replace(/^::ffff:(?=[\d.]+$)/i, '')
  return plain === '::1' || plain.startsWith('127.') ? local : plain
}

/** For limits by caller: of IPv6 the network, because whoever has one has all 2⁶⁴ addresses of it. */
export function limitedAddress(socket: Peer): string {
  const address = callerAddress(socket)
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'))
  const [before, after] = [groups(head), groups(tail)]
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  return `${[...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':')}::/64`
}
