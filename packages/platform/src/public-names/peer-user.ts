import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

/**
 * User id of the process at the other end of a connection over IPv4's loopback, as the kernel lists it in /proc/net/tcp; undefined
 * where it lists none.
 */
export async function peerUser(socket: Socket): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined)
    return undefined
  const table = await readFile('/proc/net/tcp', 'utf8').catch(() => '')
  return userOf(table, {
    local: { address: remoteAddress, port: remotePort },
    remote: { address: localAddress, port: localPort },
  })
}

interface Endpoint {
  /** IPv4. */
  address: string
  port: number
}

/** @param table of /proc/net/tcp: addresses as hexadecimal words in the machine's order of bytes, the user id in the eighth column */
export function userOf(table: string, connection: { local: Endpoint; remote: Endpoint }): number | undefined {
  const [local, remote] = [listed(connection.local), listed(connection.remote)]
  for (const line of table.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/)
    if (columns[1] !== local || columns[2] !== remote) continue
    const user = columns[7] ?? ''
    // Closed connections (TIME_WAIT and the like) are listed as user 0's: only what is established has an owner.
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
