import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fleetHost, joinStatement, type HostCertificate } from '@strongroom/contract'
import {
  createLogger,
  createSealer,
  exchange,
  freePort,
  openAuthority,
  openStore,
  serveFleet,
  systemClock,
  type InstallationAuthority,
  type Store,
} from '@strongroom/platform'
import { createFleetApp } from '../fleet/wire/host-app.ts'
import { Failover } from '../fleet/failover.ts'
import { FleetCompute } from '../fleet/fleet-compute.ts'
import { fleetSimulated } from '../fleet/carried-compute.ts'
import { Placements } from '../fleet/placements.ts'
import { PlannedMoves } from '../fleet/planned-moves.ts'
import { HostRegistry } from '../fleet/registry.ts'
import { WorkSignal } from '../fleet/work-signal.ts'
import type { Host } from '../host/host.ts'
import type { EvidenceMaker } from '../host/simulated-evidence.ts'
import { SimulatedHost } from '../host/simulated-host.ts'
import { ResourceStore } from '../store/resources.ts'
import { migrations } from '../store/migrations.ts'

/** A host's key, and its certificate. */
export interface HostCredentials {
  privateKey: KeyObject
  publicKey: KeyObject
  /** PEM. */
  certificate?: string
}

export const hostKey = (): HostCredentials => generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const spkiOf = ({ publicKey }: HostCredentials): Buffer => publicKey.export({ type: 'spki', format: 'der' })

interface FleetReply {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  body: any
}

/** The real listener for hosts under a real authority, with a registry on SQLite. */
export interface FleetListener {
  registry: HostRegistry
  placements: Placements
  /** The compute for joined hosts. */
  host: Host
  failover: Failover
  store: Store
  authority: InstallationAuthority
  /** Where it listens. */
  address: string
  /** Joins a host that was added, as `host join` does. */
  join(o: { name: string; secret: string; by?: HostCredentials; signedBy?: HostCredentials }): Promise<FleetReply>
  /** Adds a host and joins it. */
  joined(name: string): Promise<HostCredentials & HostCertificate>
  /** As the holder of these credentials; without, as an unauthenticated client. GET without a body. */
  send(
    path: string,
    body: object | undefined,
    as?: HostCredentials,
    headers?: Record<string, string>,
  ): Promise<FleetReply>
  close(): Promise<void>
}

/** Not requested here. */
export const noEvidence: EvidenceMaker = {
  boot: async () => await Promise.reject(new Error('no evidence is made here')),
  place: async () => await Promise.resolve(),
  last: async () => await Promise.resolve(undefined),
  remove: async () => await Promise.resolve(),
  measurements: async () => await Promise.reject(new Error('no evidence is made here')),
  firmware: async () => await Promise.reject(new Error('no firmware is launched here')),
  signFirmware: async () => await Promise.reject(new Error('no firmware is launched here')),
  removeFirmware: async () => await Promise.reject(new Error('no firmware is launched here')),
}

const sealer = createSealer(new Uint8Array(32).fill(7))
const installation = (port: number) => ({
  id: 'test',
  tenantId: 't',
  subscriptionId: 's',
  mode: 'simulated' as const,
  createdAt: '2026-01-01T00:00:00.000Z',
  region: 'westeurope',
  ports: { tls: port, local: port },
})

/** Another installation's authority. */
export async function otherAuthority(): Promise<InstallationAuthority> {
  const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-authority-'))
  const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation: installation(1) })
  await rm(stateDir, { recursive: true, force: true })
  return authority
}

export async function openFleetListener(): Promise<FleetListener> {
  const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-fleet-'))
  const port = await freePort()
  const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation: installation(port) })
  const store = await openStore({ url: `sqlite:${stateDir}`, service: 'fleet', sealer })
  await store.migrate('control-plane', migrations)
  const registry = new HostRegistry(store)
  const placements = new Placements(store, registry)
  const clock = systemClock
  const inner = fleetSimulated(new SimulatedHost(new ResourceStore(store, clock), clock, noEvidence))
  const compute = new FleetCompute({
    inner,
    placements,
    registry,
    planned: new PlannedMoves(store),
    signal: new WorkSignal(),
    policyOf: async () => await Promise.resolve({}),
  })
  const logger = createLogger({ level: 'silent' })
  const app = createFleetApp({
    registry,
    compute,
    authority,
    installation: { tenantId: 't', subscriptionId: 's', compute: 'simulated' },
    logger,
  })
  const server = await serveFleet({ at: { address: '127.0.0.1', port }, authority, app, logger })

  const send: FleetListener['send'] = async (path, body, as, headers) => {
    const own = as?.certificate !== undefined && {
      cert: as.certificate,
      key: as.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    }
    const agent = new Agent({ ca: authority.caPem, ...own })
    try {
      const answer = await exchange({
        method: body === undefined ? 'GET' : 'POST',
        url: new URL(path, `https://${fleetHost}`),
        headers: { 'content-type': 'application/json', ...headers },
        ...(body && { body: Buffer.from(JSON.stringify(body)) }),
        agent,
        via: { host: '127.0.0.1', port, servername: fleetHost },
        patience: { inAll: 30_000 },
        answerLimit: 1024 * 1024,
      })
      return { status: answer.status, body: JSON.parse(answer.body.toString('utf8')) as unknown }
    } finally {
      agent.destroy()
    }
  }
  const joinAs: FleetListener['join'] = async ({ name, secret, by = hostKey(), signedBy = by }) => {
    const asked = { name, secret, publicKey: spkiOf(by).toString('base64') }
    const proof = sign('sha256', Buffer.from(joinStatement(asked)), signedBy.privateKey).toString('base64')
    return await send('/join', { ...asked, proof })
  }
  return {
    registry,
    placements,
    host: compute.asHost(),
    failover: new Failover({ placements, registry, compute, logger }),
    store,
    authority,
    address: `127.0.0.1:${port}`,
    send,
    join: joinAs,
    joined: async (name) => {
      const added = await registry.add({
        name,
        region: 'westeurope',
        zone: undefined,
        tees: ['SNP', 'TDX'],
        labels: {},
        vCPUs: 64,
        memoryMiB: 262_144,
      })
      const by = hostKey()
      const { body } = await joinAs({ name, secret: added.secret, by })
      return { ...by, ...(body as HostCertificate) }
    },
    close: async () => {
      await server.close()
      await app.close()
      await store.close()
      await rm(stateDir, { recursive: true, force: true })
    },
  }
}
