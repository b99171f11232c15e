import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { limitedAddress } from '../../network/caller.ts'

/** Connection states, in eviction order: before any request, between two, sending one, a tunnel. */
const states = ['silent', 'idle', 'sending', 'tunnel'] as const
type State = (typeof states)[number]

interface Peer {
  address: string
  count: number
  /** Per state, the longest in it first. Those waiting for an answer are in none. */
  quiet: Record<State, Set<Entry>>
}

interface Entry {
  socket: Socket
  peer: Peer
  state: State | 'answering'
}

/**
 * Limits a server's connections to `most`, and those of one peer (its address) to three quarters of that, so that a
 * peer with many silent connections keeps nobody out (attack W6): if there is no room, the longest quiet connection of
 * the peer with most is closed, and the new one is accepted. A request that is being answered is never dropped.
 */
export function boundConnections(server: Server, o: { most: number }): void {
  const peers = new Map<string, Peer>()
  const entries = new Map<string | object, Entry>()
  let count = 0
  const mostOfPeer = Math.ceil((o.most * 3) / 4)

  const move = (entry: Entry | undefined, state: Entry['state']): void => {
    if (entry === undefined) return
    if (entry.state !== 'answering') entry.peer.quiet[entry.state].delete(entry)
    entry.state = state
    if (state !== 'answering') entry.peer.quiet[state].add(entry)
  }
  /** False if none of the peer's connections can be closed. */
  const closeOneOf = (peer: Peer): boolean => {
    for (const state of states) {
      const [oldest] = peer.quiet[state]
      if (oldest === undefined) continue
      forget(oldest)
      oldest.socket.destroy()
      return true
    }
    return false
  }
  const forget = (entry: Entry): void => {
    if (!entries.delete(keyOf(entry.socket))) return
    if (entry.state !== 'answering') entry.peer.quiet[entry.state].delete(entry)
    entry.peer.count -= 1
    count -= 1
    if (entry.peer.count === 0) peers.delete(entry.peer.address)
  }
  const makeRoom = (peer: Peer): boolean => {
    if (peer.count >= mostOfPeer) return closeOneOf(peer)
    if (count < o.most) return true
    return [...peers.values()].toSorted((a, b) => b.count - a.count).some(closeOneOf)
  }

  server.on('connection', (socket: Socket) => {
    const address = limitedAddress(socket)
    const peer = peers.get(address) ?? newPeer(address)
    if (!makeRoom(peer)) {
      socket.destroy()
      return
    }
    peers.set(address, peer)
    peer.count += 1
    count += 1
    const key = keyOf(socket)
    const entry: Entry = { socket, peer, state: 'silent' }
    entries.set(key, entry)
    peer.quiet.silent.add(entry)
    socket.once('close', () => {
      if (entries.get(key) === entry) forget(entry)
    })
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const entry = entries.get(keyOf(request.socket))
    move(entry, 'sending')
    request.once('end', () => {
      if (entry?.state === 'sending') move(entry, 'answering')
    })
    response.once('close', () => {
      if (entry !== undefined && entries.get(keyOf(entry.socket)) === entry) move(entry, 'idle')
    })
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
    move(entries.get(keyOf(socket as Socket)), 'tunnel'),
  )
}

const newPeer = (address: string): Peer => ({
  address,
  count: 0,
  quiet: { silent: new Set(), idle: new Set(), sending: new Set(), tunnel: new Set() },
})

/** The same key for a connection and the TLS inside it, whose socket is another object. Sockets without addresses are their own keys. */
const keys = new WeakMap<Socket, string>()
export function keyOf(socket: Socket): string | object {
  const known = keys.get(socket)
  if (known !== undefined) return known
  if (socket.remotePort === undefined) return socket
  const key = `${socket.remoteAddress} ${socket.remotePort}`
  keys.set(socket, key)
  return key
}
