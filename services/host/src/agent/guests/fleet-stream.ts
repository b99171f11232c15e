import { connect, type TLSSocket } from 'node:tls'
import { fleetHost, releaseStep, releaseStepHeader, type ErrorBody } from '@strongroom/contract'
import { fleetStream } from '@strongroom/contract/wires'
import { ServiceError } from '@strongroom/platform'
import type { HostIdentity } from '../membership/host-identity.ts'

/** More than the headers of an Upgrade answer. */
const mostHeaders = 16 * 1024
const answerMs = 10_000

/**
 * A stream of the fleet's wire, under the host's certificate.
 * @param path `/disk/{vmId}/{epoch}`, `/guest/{vmId}/{epoch}` or `/image/{id}/{sha256}`
 * @throws ServiceError from the control plane; PeerUnreachable
 */
export async function openFleetStream(identity: HostIdentity, path: string): Promise<TLSSocket> {
  const at = new URL(`https://${identity.address}`)
  const socket = connect({
    host: at.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(at.port || 443),
    servername: fleetHost,
    ca: identity.authority,
    cert: identity.certificate,
    key: identity.privateKey,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
  })
  socket.setTimeout(answerMs, () => socket.destroy(new Error('no answer')))
  try {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `host: ${fleetHost}`,
      'connection: upgrade',
      `upgrade: ${fleetStream}`,
      `${releaseStepHeader}: ${releaseStep}`,
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    await answered(socket)
    socket.setTimeout(0)
    return socket
  } catch (error) {
    socket.destroy()
    if (error instanceof ServiceError) throw error
    const cause = error as Error
    throw new ServiceError({
      code: 'PeerUnreachable',
      message: `The control plane at ${identity.address} cannot be reached (${cause.message}).`,
      remedy: 'Check that the server runs with --fleet-address, and that this host can reach it there.',
      cause,
    })
  }
}

/** Reads the answer's headers, and leaves what follows in the socket. */
async function answered(socket: TLSSocket): Promise<void> {
  let head = Buffer.alloc(0)
  for (;;) {
    const end = head.indexOf('\r\n\r\n')
    if (end >= 0) {
      const rest = head.subarray(end + 4)
      const text = head.subarray(0, end).toString('latin1')
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
      if (status === 101) {
        if (rest.length > 0) socket.unshift(rest)
        return
      }
      throw await refusal(socket, status, rest)
    }
    if (head.length > mostHeaders) throw new Error('the answer has no end of its headers')
    head = Buffer.concat([head, await nextPiece(socket)])
  }
}

async function refusal(socket: TLSSocket, status: number, rest: Buffer): Promise<Error> {
  const pieces = [rest]
  for await (const piece of socket) pieces.push(piece as Buffer)
  try {
    const { error } = JSON.parse(Buffer.concat(pieces).toString('utf8')) as ErrorBody
    return ServiceError.relayed(error, status)
  } catch {
    return new Error(`it answered ${status}`)
  }
}

/** Without a background reader, so that nothing between headers and stream is lost. */
async function nextPiece(socket: TLSSocket): Promise<Buffer> {
  for (;;) {
    const piece = socket.read() as Buffer | null
    if (piece !== null) return piece
    await new Promise<void>((done, fail) => {
      const settle = (error?: Error): void => {
        socket.off('readable', onReadable).off('error', settle).off('close', onClose)
        if (error === undefined) done()
        else fail(error)
      }
      const onReadable = (): void => settle()
      const onClose = (): void => settle(new Error('the connection was closed'))
      socket.once('readable', onReadable).once('error', settle).once('close', onClose)
    })
  }
}
