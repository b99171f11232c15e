import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { domain } from '@strongroom/contract'
import { addressOf, type NameServers } from './guest-names.ts'

/** Where a CONNECT leads; `own` is the installation's TLS port. */
export interface ProxyTarget {
  host: string
  port: number
  own: boolean
}

/**
 * Where a CONNECT may lead; undefined where nowhere. The name is resolved once, so that a second answer changes nothing.
 * @param servers in the place of the host’s, for tests
 */
export async function resolveTarget(
  target: string,
  tlsPort: number,
  servers?: NameServers,
): Promise<ProxyTarget | undefined> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(target)
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase()
  const port = Number(match?.[3])
  if (host === '' || port < 1 || port > 65535) return undefined
  if (host === domain || host.endsWith(`.${domain}`))
    return port === 443 ? { host: '127.0.0.1', port: tlsPort, own: true } : undefined
  const address = isIP(host) === 0 ? await addressOf(host, servers) : host
  if (address === undefined || !isPublic(address) || isHosts(address)) return undefined
  return { host: address, port, own: false }
}

const notPublic = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3],
] as const) notPublic.addSubnet(network, prefix) // prettier-ignore
// Public in form, and the cloud's own endpoint for the machine that asks: on a host at Azure it would answer for the host.
notPublic.addAddress('168.63.129.16')

/** Global unicast: IPv4 outside the special ranges (RFC 6890), IPv6 in 2000::/3 without tunnels that embed IPv4. */
function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !notPublic.check(address)
  return /^[23][0-9a-f]{3}:/i.test(address) && !/^(2002|2001:0{0,4}):/i.test(address)
}

/** Whether the host itself has the address: what listens there is no more the guest's than what listens on 127.0.0.1. */
function isHosts(address: string): boolean {
  const own = new BlockList()
  for (const each of Object.values(networkInterfaces()).flatMap((list) => list ?? []))
    own.addAddress(each.address, each.family === 'IPv6' ? 'ipv6' : 'ipv4')
  return own.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
