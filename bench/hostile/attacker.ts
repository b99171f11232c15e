/** One attacker in a process of its own, so that its work takes nothing from who measures. Begins when asked, over IPC. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { loginHost } from '@strongroom/contract'
import { Caller, type Call } from './calls.ts'
import type { HostileReady } from './server.ts'

export type Attack = '1,000 silent connections' | '1,000 bad sign-ins' | 'one guest at full rate'

const guest = '127.64.7.7'
const many = 1_000

interface Order {
  attack: Attack
  ready: HostileReady
}

process.once('message', (order: Order) => {
  void begin(order).then(() => process.send?.({ begun: true }))
})

async function begin({ attack, ready }: Order): Promise<void> {
  const { caPem, port } = ready
  if (attack === '1,000 silent connections') {
    // One after the other, so that the server's time limit does not end them all at one moment.
    for (let n = 0; n < many; n++) {
      openSilent(port)
      await sleep(5_000 / many)
    }
    return
  }
  if (attack === '1,000 bad sign-ins') {
    // In ten seconds, and as many again after that; each on a connection of its own, answered or not.
    const caller = new Caller({ caPem, port, connections: many, keepAlive: false })
    setInterval(() => void caller.send(badSignIn(ready)), 10_000 / many)
    return
  }
  const caller = new Caller({ caPem, port, connections: 16, keepAlive: true, from: guest })
  for (let n = 0; n < 16; n++) void forever(() => caller.send(ready.attest))
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
