import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { fleetHost } from '@strongroom/contract'
import type { FastifyInstance } from 'fastify'
import type { InstallationAuthority } from '../authority/authority.ts'
import type { Logger } from '../log/logger.ts'
import { limitedAddress } from '../network/caller.ts'
import { FairQueue } from './listening/fair-queue.ts'
import { beginHandshakesInTurn } from './listening/handshakes.ts'
import { closeServer, connectionsCheckingInterval, handshakeMs, harden, listen } from './listening/listener.ts'
import { Pipelines } from './listening/pipelines.ts'

/** Where hosts reach the control plane. */
export interface FleetAddress {
  /** IP address or name to listen on. */
  address: string
  port: number
}

/**
 * Listens for hosts: TLS 1.3 under the installation's authority, with optional client certificates. A client without
 * one reaches the application too, which checks `certifiedPeer` where it matters.
 * @throws ServiceError PortTaken, PortUnusable
 */
export async function serveFleet(o: {
  at: FleetAddress
  authority: Pick<InstallationAuthority, 'caPem' | 'serverCredentials'>
  app: FastifyInstance
  /** Takes over connections that become streams; absent without any. */
  streams?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  logger: Logger
}): Promise<{ close(): Promise<void> }> {
  await o.app.ready()
  const { caPem: ca } = o.authority
  let kept: { cert: string; context: SecureContext } | undefined
  const choose = async (done: (error: Error | null, context?: SecureContext) => void): Promise<void> => {
    try {
      const credentials = await o.authority.serverCredentials(fleetHost)
      if (credentials === undefined) throw new TypeError(`the authority has no certificate for ${fleetHost}`)
      const { key, cert } = credentials
      // A separate context: the one for other names does not know the authority of client certificates.
      if (kept?.cert !== cert) kept = { cert, context: createSecureContext({ key, cert, ca, minVersion: 'TLSv1.3' }) }
      done(null, kept.context)
    } catch (error) {
      done(error as Error)
    }
  }
  const queue = new FairQueue()
  const pipelines = new Pipelines()
  const server = createServer(
    {
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      handshakeTimeout: handshakeMs,
      connectionsCheckingInterval,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (_name, done) => {
        void choose(done)
      },
    },
    (request, response) => {
      if (!pipelines.admits(request, response)) return
      const work = (): void => o.app.routing(request, response)
      queue.begin(limitedAddress(request.socket), work, () => !request.socket.destroyed)
    },
  )
  const open = new Set<Duplex>()
  if (o.streams !== undefined)
    server.on('upgrade', (request, socket, head) => {
      // A disk may be silent for as long as its guest is.
      ;(socket as TLSSocket).setTimeout(0)
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      o.streams?.(request, socket, head)
    })
  beginHandshakesInTurn(server, { silentMs: handshakeMs })
  harden(server)
  await listen(server, { ...o.at, target: '--fleet-address', option: '--fleet-address ADDRESS:PORT' })
  o.logger.info({ ...o.at }, 'listening for hosts')
  return {
    close: async () => {
      for (const socket of open) socket.destroy()
      await closeServer(server)
    },
  }
}

/** The client of a `serveFleet` connection. */
export interface CertifiedPeer {
  /** SHA-256 of the key (SubjectPublicKeyInfo), hexadecimal. */
  key: string
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Uint8Array
  /** As `CN=…`. */
  subject: string
}

/** A connection's client never changes: TLS 1.3 has no renegotiation, and nobody is asked for a certificate later. */
const peers = new WeakMap<object, CertifiedPeer>()

/** Undefined without a currently valid client certificate under the authority. */
export function certifiedPeer(request: IncomingMessage): CertifiedPeer | undefined {
  const socket = request.socket as Partial<TLSSocket>
  if (socket.authorized !== true) return undefined
  const known = peers.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerX509Certificate?.()
  if (certificate === undefined) return undefined
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' })
  const peer = { key: keyDigest(publicKey), publicKey, subject: certificate.subject }
  peers.set(socket, peer)
  return peer
}

/** SHA-256 of a SubjectPublicKeyInfo, hexadecimal. */
export const keyDigest = (spki: Uint8Array): string => createHash('sha256').update(spki).digest('hex')
