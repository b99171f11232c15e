import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

/**
 * User id of the process at the other end of an IPv4 loopback connection, from the kernel's list; undefined if not
 * listed. An IPv6 socket to an IPv4 address, as in .NET and Java, is only in /proc/net/tcp6.
 */
export async function peerUser(socket: Socket): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined)
    return undefined
  const connection = {
    local: { address: remoteAddress, port: remotePort },
    remote: { address: localAddress, port: localPort },
  }
  for (const [path, prefix] of tables) {
    const user = userOf(await readFile(path, 'utf8').catch(() => ''), connection, prefix)
    if (user !== undefined) return user
  }
  return undefined
}

/** The user at the other end, and whether it is the one who runs this process, or root. Nobody is known outside Linux. */
export async function ownerOf(socket: Socket): Promise<{ user: number | undefined; isOwn: boolean }> {
  const user = await peerUser(socket)
  return { user, isOwn: user !== undefined && (user === 0 || user === process.getuid?.()) }
}

interface Endpoint {
  /** IPv4. */
  address: string
  port: number
}

/**
 * @param table of /proc/net/tcp or tcp6: addresses as hexadecimal words in the machine's order of bytes, the user id in the eighth column
 * @param prefix of an IPv4 address in that table
 */
export function userOf(
  table: string,
  connection: { local: Endpoint; remote: Endpoint },
  prefix = '',
): number | undefined {
  const [local, remote] = [prefix + listed(connection.local), prefix + listed(connection.remote)]
  for (const line of table.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/)
    if (columns[1] !== local || columns[2] !== remote) continue
    const user = columns[7] ?? ''
    // Closed connections (TIME_WAIT and others) are listed as user 0's: only established ones have an owner.
    return columns[3] === '01' && /^\d+$/.test(user) ? Number(user) : undefined
  }
  return undefined
}

function listed({ address, port }: Endpoint): string {
  const bytes = Buffer.from(
    address
      .replace(/^::ffff:/, '')
      .split('.')
      .map(Number),
  )
  const word = littleEndian ? bytes.reverse() : bytes
  return `${word.toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`
}

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
/** ::ffff:0:0/96, as tcp6 has it. */
const mapped = `${'0'.repeat(16)}${littleEndian ? 'FFFF0000' : '0000FFFF'}`
const tables = [
  ['/proc/net/tcp', ''],
  ['/proc/net/tcp6', mapped],
] as const
