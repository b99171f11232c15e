import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttpsServer, type Server } from 'node:https'
import type { SecureContext } from 'node:tls'
import type { InstallationAuthority } from '../../authority/authority.ts'
import { beginHandshakesInTurn } from './handshakes.ts'
import { connectionsCheckingInterval, handshakeMs, harden } from './listener.ts'

/** Presents a certificate for the name that the client asks for. Not listening yet. */
export async function createTlsServer(
  authority: InstallationAuthority,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createHttpsServer(
    {
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeMs,
      connectionsCheckingInterval,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        void chooseContext(authority, name, done)
      },
    },
    answer,
  )
  // Clients without SNI (by address) get the loopback address's certificate.
  const fallback = await authority.serverCredentials('127.0.0.1')
  if (!fallback) throw new TypeError('the authority has no certificate for 127.0.0.1')
  server.setSecureContext({ key: fallback.key, cert: fallback.cert, minVersion: 'TLSv1.2' })
  beginHandshakesInTurn(server, { silentMs: handshakeMs })
  harden(server)
  return server
}

/** Unknown names get the fallback, and the client reports the mismatch. */
async function chooseContext(
  authority: InstallationAuthority,
  name: string,
  done: (error: Error | null, context?: SecureContext) => void,
): Promise<void> {
  try {
    done(null, (await authority.serverCredentials(name))?.context)
  } catch (error) {
    done(error as Error)
  }
}
