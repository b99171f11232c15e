import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { callerAddress, connectForGuest, limitedAddress } from './caller.ts'

const at = (remoteAddress: string): { remoteAddress: string; remotePort: number } => ({ remoteAddress, remotePort: 1 })

it('is a guest by its own address if this process connects for it, and else any local program (attack W4)', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const accepted = async (client: Socket): Promise<string> => {
    const [socket] = (await once(server, 'connection')) as [Socket]
    const caller = callerAddress(socket)
    const closed = once(client, 'close')
    client.destroy()
    socket.destroy()
    await closed
    // Its address and port may be anyone's from here on.
    expect(callerAddress(at(socket.remoteAddress ?? ''))).toBe('127.0.0.1')
    return caller
  }
  const place = { host: '127.0.0.1', port }
  expect(await accepted(connectForGuest({ ...place, localAddress: '127.64.7.7' }))).toBe('127.64.7.7')
  for (const localAddress of ['127.64.7.7', '127.77.0.1', '127.0.0.1'])
    expect(await accepted(connect({ ...place, localAddress })), localAddress).toBe('127.0.0.1')
})

it('is one local program for all of loopback, and one caller for a network of IPv6 (attack W4)', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const expected = address.startsWith('127.') ? '127.0.0.1' : address
      for (const form of [address, `::ffff:${address}`, `::FFFF:${address}`]) {
        expect(callerAddress(at(form))).toBe(expected)
        expect(limitedAddress(at(form))).toBe(expected)
      }
    }),
  )
  fc.assert(fc.property(fc.nat(255), fc.nat(255), (a, b) => callerAddress(at(`127.${a}.${b}.1`)) === '127.0.0.1'))
  expect(['::1', '2001:db8::1'].map((each) => callerAddress(at(each)))).toEqual(['127.0.0.1', '2001:db8::1'])
  expect(callerAddress({ remoteAddress: undefined })).toBe('local')
  for (const [address, network] of [
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['::2:3:4:5', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ] as const)
    expect(limitedAddress(at(address))).toBe(network)
})
