import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { peerUser, userOf } from './peer-user.ts'

const line = (state: string, user: string): string =>
  `   7: 0100007F:A1B2 0100007F:21C3 ${state} 00000000:00000000 00:00000000 00000000 ${user}        0 123456 1 ` +
  '0000000000000000 20 4 30 10 -1'
const connection = { local: { address: '127.0.0.1', port: 0xa1b2 }, remote: { address: '127.0.0.1', port: 0x21c3 } }
const table = (...lines: string[]): string => ['  sl  local_address rem_address   st …', ...lines, ''].join('\n')

describe('whose a connection over the loopback is', () => {
  it.each([
    ['of IPv4', '127.0.0.1'],
    ['of IPv6, as .NET’s and Java’s are', '::ffff:127.0.0.1'],
  ])('is found in the kernel’s lists, by a socket %s', async (_kind, host) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, host)
    const [socket] = (await once(server, 'connection')) as [Socket]
    expect(await peerUser(socket)).toBe(process.getuid!())
    client.destroy()
    socket.destroy()
    server.close()
  })

  it('is found in a list of IPv6 by the whole mapped address', () => {
    const mapped = '0000000000000000FFFF0000'
    const of6 = line('01', ' 1000').replaceAll(/[0-9A-F]{8}:/g, (address) => `${mapped}${address}`)
    expect(userOf(table(of6), connection, mapped)).toBe(1000)
    expect(userOf(table(of6), connection)).toBeUndefined()
    expect(userOf(table(of6.replaceAll(mapped, '0'.repeat(24))), connection, mapped)).toBeUndefined()
    expect(userOf(table(of6.replace(' 01 ', ' 06 ')), connection, mapped)).toBeUndefined()
  })

  it('is nobody’s where the list does not have it, or as one that is closed', () => {
    expect(userOf(table(line('01', ' 1000')), connection)).toBe(1000)
    expect(userOf(table(line('06', '    0')), connection)).toBeUndefined()
    expect(userOf(table(), connection)).toBeUndefined()
    expect(userOf('', connection)).toBeUndefined()
    expect(userOf(table(line('01', ' 1000')), { local: connection.remote, remote: connection.local })).toBeUndefined()
    expect(userOf(table(line('01', '    x')), connection)).toBeUndefined()
    // Another user's connection with the same port and another target.
    const elsewhere = line('01', ' 1001').replace(':21C3', ':21C4')
    expect(userOf(table(elsewhere), connection)).toBeUndefined()
    expect(userOf(table(elsewhere, line('01', ' 1000')), connection)).toBe(1000)
  })
})
