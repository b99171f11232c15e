import { createServer, type Socket } from 'node:net'
import { domain } from '@strongroom/contract'
import { guestAddresses } from '../../qemu/guest-network.ts'
import { dnsAnswer, dnsCodes, dnsTypes, parseDnsQuery, type DnsQuestion } from '../names/dns-message.ts'
import { connectionLimit, openDoor } from './door.ts'
import { resolveTarget, type ProxyTarget } from '../names/proxy-target.ts'

/** Longest question, in bytes: a name of 255 and a resolver's additions. */
const mostBytes = 1024
/** How long a connection without a question stays open, in milliseconds. */
const idleLimitMs = 10_000
/** How long the guest may cache an answer, in seconds. */
const seconds = 30

/**
 * The guest's resolver: DNS over TCP (RFC 7766), because a guest's network has no UDP. Every reachable name leads to
 * the relay (relay-door.ts), and no other name exists: so programs need no proxy, and get an error for a name they may
 * not reach. Names outside the installation are looked up once the boot was reported, when connections to them are
 * allowed.
 */
export async function startNameServer(o: {
  socket: string
  tlsPort: number
  /** Whether this boot's report was accepted. */
  reported(): boolean
  /** Replaces `resolveTarget` in tests. */
  resolve?: (target: string, tlsPort: number) => Promise<ProxyTarget | undefined>
}): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>()
  const address = guestAddresses.services.split('.').map(Number)
  const { resolve = resolveTarget } = o
  const leads = async (name: string): Promise<boolean> => {
    if (name === domain || name.endsWith(`.${domain}`)) return true
    // A name with one label is a machine near the host.
    if (!name.includes('.') || !o.reported()) return false
    return (await resolve(`${name}:443`, o.tlsPort).catch(() => undefined)) !== undefined
  }
  const answer = async (question: DnsQuestion): Promise<Buffer> => {
    if (!(await leads(question.name))) return dnsAnswer(question, { code: dnsCodes.noSuchName, seconds })
    const wanted = question.type === dnsTypes.a && question.class === 1
    return dnsAnswer(question, { code: dnsCodes.good, seconds, ...(wanted && { address }) })
  }
  const server = createServer((guest) => {
    open.add(guest)
    guest.on('close', () => open.delete(guest))
    guest.on('error', () => guest.destroy())
    guest.setTimeout(idleLimitMs, () => guest.destroy())
    void serve(guest, answer)
  })
  server.maxConnections = connectionLimit
  await openDoor(server, o.socket)
  return {
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((ended) => server.close(() => ended()))
    },
  }
}

/** One question after the other, in order. */
async function serve(guest: Socket, answer: (question: DnsQuestion) => Promise<Buffer>): Promise<void> {
  let held: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of guest) {
      held = Buffer.concat([held, chunk as Buffer])
      while (held.length >= 2) {
        const length = held.readUInt16BE(0)
        if (length > mostBytes) return void guest.destroy()
        if (held.length < 2 + length) break
        const question = parseDnsQuery(held.subarray(2, 2 + length))
        held = held.subarray(2 + length)
        if (question === undefined) return void guest.destroy()
        const message = await answer(question)
        const frame = Buffer.alloc(2)
        frame.writeUInt16BE(message.length)
        if (!guest.destroyed) guest.write(Buffer.concat([frame, message]))
      }
    }
  } catch {
    // The guest has gone: there is no one to answer.
    guest.destroy()
  }
}
