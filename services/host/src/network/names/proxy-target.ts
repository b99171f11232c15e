import { isIP } from 'node:net'
import { domain } from '@strongroom/contract'
import { isPublicAddress } from '@strongroom/platform'
import { addressOf, type NameServers } from './guest-names.ts'

/** Where a CONNECT leads; `own` is the installation's TLS port. */
export interface ProxyTarget {
  host: string
  port: number
  own: boolean
}

/**
 * Where a CONNECT may lead; undefined if nowhere. The name is resolved once, so that a second answer changes nothing.
 * @param servers replaces the host’s, for tests
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
  if (address === undefined || !isPublicAddress(address)) return undefined
  return { host: address, port, own: false }
}
