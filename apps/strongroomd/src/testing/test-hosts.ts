import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { fleetHost, type AddedHost } from '@strongroom/contract'
import { HostAgent, joinFleet, type Carrier } from '@strongroom/host/agent'
import { createLogger, exchange, type Clock } from '@strongroom/platform'
import type { TestInstallation } from './running.ts'

/** A test's host: its agent runs in this process, and the test has its key and can speak for it. */
export interface TestHost {
  name: string
  agent: HostAgent
  /** Whether it has received a lease. */
  isLeased: () => boolean
  /** On the wire of hosts, under this host's certificate. */
  send(path: string, body: object): Promise<{ status: number; body: unknown }>
  /** Like a power cut: it sends nothing more. */
  stop(): Promise<void>
}

export const hostPath = (installation: TestInstallation, name: string): string =>
  `${installation.subscription}/providers/Strongroom.Fleet/hosts/${name}`

/** Adds a host, joins it, and starts its agent. */
export async function startHost(
  installation: TestInstallation,
  o: {
    name: string
    folder: string
    zone?: string
    tees?: string[]
    vCPUs?: number
    clock?: Clock
    carrier?: Carrier
  },
): Promise<TestHost> {
  const { name, folder, vCPUs = 16 } = o
  const added = await installation.arm<AddedHost>('PUT', hostPath(installation, name), {
    location: 'westeurope',
    ...(o.zone !== undefined && { zone: o.zone }),
    ...(o.tees !== undefined && { tees: o.tees }),
    capacity: { vCPUs, memoryMiB: vCPUs * 8192 },
  })
  await joinFleet({ directory: join(folder, name), address: added.address, code: added.joinCode })
  return await runHost(installation, o)
}

/** Starts the agent of a joined host. */
export async function runHost(
  installation: TestInstallation,
  o: { name: string; folder: string; clock?: Clock; carrier?: Carrier },
): Promise<TestHost> {
  const directory = join(o.folder, o.name)
  const agent = await HostAgent.open({ logger: createLogger({ level: 'silent' }), ...o, directory })
  let leased = false
  const running = agent.run((state) => void (leased = state.leased))
  const identity = JSON.parse(await readFile(join(directory, 'host.json'), 'utf8')) as Record<string, string>
  const [host = '', port] = identity['address']!.split(':')
  return {
    name: o.name,
    agent,
    isLeased: () => leased,
    send: async (path, body) => {
      const tls = new Agent({ ca: installation.caPem, cert: identity['certificate'], key: identity['privateKey'] })
      try {
        const answer = await exchange({
          method: 'POST',
          url: new URL(path, `https://${fleetHost}`),
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify(body)),
          agent: tls,
          via: { host, port: Number(port), servername: fleetHost },
          patience: { inAll: 30_000 },
          answerLimit: 1024 * 1024,
        })
        return { status: answer.status, body: JSON.parse(answer.body.toString('utf8')) as unknown }
      } finally {
        tls.destroy()
      }
    },
    stop: async () => {
      await agent.stop()
      await running
    },
  }
}
