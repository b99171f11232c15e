import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

const notPublic = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  notPublic.addSubnet(network, prefix)
// A public-looking address that is the cloud's own endpoint for the asking machine: on an Azure host it would answer for the host.
notPublic.addAddress('168.63.129.16')

/**
 * Whether an address is equally reachable by anyone on the Internet: global unicast (IPv4 outside the special ranges of
 * RFC 6890, IPv6 in 2000::/3 without tunnels that embed IPv4), and none of the machine's own.
 */
export const isPublicAddress = (address: string): boolean => isGlobal(address) && !isHosts(address)

function isGlobal(address: string): boolean {
  if (isIP(address) === 4) return !notPublic.check(address)
  return /^[23][0-9a-f]{3}:/i.test(address) && !/^(2002|2001:0{0,4}):/i.test(address)
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')
// Linux leads a connection to the unspecified address to this machine.
loopback.addSubnet('0.0.0.0', 8)
loopback.addAddress('::', 'ipv6')

/** Whether a connection to an address ends on this machine, also as IPv4 mapped to IPv6. */
export const isThisMachine = (address: string): boolean =>
  loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') || isHosts(address)

/** What listens at the machine's own address is no more public than what listens on 127.0.0.1. */
function isHosts(address: string): boolean {
  const own = new BlockList()
  for (const each of Object.values(networkInterfaces()).flatMap((list) => list ?? []))
    own.addAddress(each.address, each.family === 'IPv6' ? 'ipv6' : 'ipv4')
  return own.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
