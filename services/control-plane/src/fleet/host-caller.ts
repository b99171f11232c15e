import type { IncomingMessage } from 'node:http'
import { certifiedPeer } from '@strongroom/platform'
import type { FleetHost } from './fleet-host.ts'
import { notAuthenticated, type HostRegistry } from './registry.ts'

/** Two words, so that no verifier treats it as a DNS name and checks it against the authority's constraints. */
export const subjectOf = (host: FleetHost): string => `host ${host.id}`

/** A host's certificate is its only identity. @throws ServiceError HostNotAuthenticated */
export async function callerOf(
  registry: HostRegistry,
  request: IncomingMessage,
): Promise<{ host: FleetHost; publicKey: Uint8Array }> {
  const peer = certifiedPeer(request)
  if (peer === undefined) throw notAuthenticated('no valid certificate')
  const host = await registry.byKey(peer.key)
  // The authority certifies other keys too: the key must be in the registry, and the certificate issued for this host.
  if (host === undefined) throw notAuthenticated('a key that no host has')
  if (peer.subject !== `CN=${subjectOf(host)}`) throw notAuthenticated(`a certificate of ${peer.subject}`)
  return { host, publicKey: peer.publicKey }
}
