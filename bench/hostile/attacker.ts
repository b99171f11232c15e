/**
 * One attacker in a separate process that gets only the processor time left over: real attackers use their own
 * machines, and cost the server only its work for them. Begins on request, over IPC.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { getPriority, setPriority } from 'node:os'
import { loginHost } from '@strongroom/contract'
import { Caller, type Call } from './calls.ts'
import type { HostileReady } from './server.ts'

export type Attack =
  | '1,000 silent connections'
  | '1,000 bad sign-ins'
  | 'one guest at full rate'
  | 'the costliest requests at full rate'

const many = 1_000

interface Order {
  attack: Attack
  ready: HostileReady
}

setPriority(Math.min(19, getPriority() + 19))
process.once('message', (order: Order) => {
  process.send?.({ begun: true })
  begin(order)
})

function begin({ attack, ready }: Order): void {
  const { caPem, port, guestPort } = ready
  if (attack === '1,000 silent connections') {
    for (let n = 0; n < many; n++) openSilent(port)
  } else if (attack === '1,000 bad sign-ins') {
    // Concurrent calls, each on a separate connection.
    const caller = new Caller({ caPem, port: guestPort, connections: many, keepAlive: false })
    for (let n = 0; n < many; n++) void forever(() => caller.send(badSignIn(ready)))
  } else {
    const caller = new Caller({ caPem, port: guestPort, connections: 16, keepAlive: true })
    const calls = attack === 'one guest at full rate' ? [ready.attest] : ready.costly
    let turn = 0
    for (let n = 0; n < 16; n++) void forever(() => caller.send(calls[turn++ % calls.length]!))
  }
}

async function forever(work: () => Promise<unknown>): Promise<never> {
  for (;;) await work()
}

/** Opened again whenever the server closes it. */
function openSilent(port: number): void {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => socket.destroy())
  socket.once('close', () => openSilent(port))
}

const badSignIn = ({ tenantId, ownerAppId }: HostileReady): Call => ({
  name: 'bad sign-in',
  host: loginHost,
  method: 'POST',
  path: `/${tenantId}/oauth2/v2.0/token`,
  contentType: 'application/x-www-form-urlencoded',
  bodies: [
    new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: ownerAppId,
      client_secret: randomBytes(32).toString('base64url'),
      scope: 'https://management.azure.com//.default',
    }).toString(),
  ],
})
