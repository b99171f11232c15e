/**
 * A vault under load that its parent kills: reads CrashOrder from standard input, then writes one line of JSON for
 * every acknowledged write, after its answer.
 */
import { randomUUID } from 'node:crypto'
import { writeSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { createLogger, createSealer, openStore, systemClock } from '@strongroom/platform'
import { createVaultServiceOn } from '../service.ts'

export interface CrashOrder {
  url: string
  service: string
  /** Hexadecimal; for this test only. */
  masterKey: string
  /** Administrator of the vault kv1. */
  objectId: string
  /** Prefix of the names of this round's keys. */
  prefix: string
}

export type Acknowledged =
  | { op: 'create'; name: string; version: string }
  | { op: 'update'; name: string; n: number }
  | { op: 'secret'; name: string; value: string }

const order = JSON.parse(await text(process.stdin)) as CrashOrder
const service = await createVaultServiceOn(await openStore({ ...order, sealer: createSealer(new Uint8Array(32)) }), {
  installation: {
    id: 'crash',
    tenantId: randomUUID(),
    subscriptionId: randomUUID(),
    mode: 'simulated',
    createdAt: new Date().toISOString(),
    region: 'westeurope',
    ports: { tls: 1, local: 2 },
  },
  stateDir: '/nonexistent',
  cacheDir: '/nonexistent',
  storeUrl: order.url,
  sealer: createSealer(Buffer.from(order.masterKey, 'hex')),
  clock: systemClock,
  logger: createLogger({ level: 'silent' }),
  wire: { request: () => Promise.reject(new Error('nobody is called')), close: () => {} },
  tokens: { token: () => Promise.reject(new Error('nobody is called')) },
  verifier: {
    verify: () => Promise.resolve({ objectId: order.objectId, appId: 'alice-app', tenantId: 't', claims: {} }),
  },
  newId: randomUUID,
  authority: undefined as never,
  platformAccess: { orchestratorObjectId: 'o', controlPlaneObjectId: 'c', ownerObjectId: 'w' },
})
const { app } = service.hosts[0]!

async function send<T>(method: 'POST' | 'PATCH' | 'PUT', path: string, payload: object): Promise<T> {
  const headers = { host: 'kv1.vault.strongroom.internal', authorization: 'Bearer x' }
  const answer = await app.inject({ method, url: `${path}?api-version=7.4`, headers, payload })
  if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${answer.body}`)
  return JSON.parse(answer.body) as T
}

// A pipe accepts short lines atomically, and at once.
const tell = (line: Acknowledged): void => void writeSync(1, `${JSON.stringify(line)}\n`)

async function worker(worker: number): Promise<never> {
  for (let index = 0; ; index++) {
    const name = `${order.prefix}-${worker}-${index}`
    const made = await send<{ key: { kid: string } }>('POST', `/keys/${name}/create`, { kty: 'EC' })
    tell({ op: 'create', name, version: made.key.kid.split('/').at(-1)! })
    for (let n = 1; n <= 3; n++) {
      await send('PATCH', `/keys/${name}`, { tags: { n: String(n) } })
      tell({ op: 'update', name, n })
    }
    await send('PUT', `/secrets/${name}`, { value: name })
    tell({ op: 'secret', name, value: name })
  }
}

await Promise.all([0, 1, 2, 3].map(worker))
