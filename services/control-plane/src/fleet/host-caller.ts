import type { IncomingMessage } from 'node:http'
import { certifiedPeer } from '@strongroom/platform'
import type { FleetHost } from './fleet-host.ts'
import { notAuthenticated, type HostRegistry } from './registry.ts'

/** Two words, so that no verifier takes it for a name of DNS and holds it against the authority's constraints. */
export const subjectOf = (host: FleetHost): string => `host ${host.id}`

/** Who a host is, its certificate alone shows. @throws ServiceError HostNotAuthenticated */
export async function callerOf(
  registry: HostRegistry,
  request: IncomingMessage,
): Promise<{ host: FleetHost; publicKey: Uint8Array }> {
  const peer = certifiedPeer(request)
  if (peer === undefined) throw notAuthenticated('no valid certificate')
  const host = await registry.byKey(peer.key)
  // The authority certifies other keys too: the key is in the registry, and the certificate was made for this host.
  if (host === undefined) throw notAuthenticated('a key that no host has')
  if (peer.subject !== `CN=${subjectOf(host)}`) throw notAuthenticated(`a certificate of ${peer.subject}`)
  return { host, publicKey: peer.publicKey }
}
