import type { HostQuestion } from '../hosts/host-process.ts'
import { signal, treeOf } from '../site/processes.ts'
import type { Site, SiteHost } from '../site/site.ts'
import type { Fault, FaultKind } from './plan.ts'

type Heal = () => Promise<void> | void

/** Stops the processes; data in their sockets stays there, and is sent when they continue. */
function paused(pids: readonly number[]): Heal {
  signal(pids, 'SIGSTOP')
  return () => signal(pids, 'SIGCONT')
}

function clock(host: SiteHost, wall: number, slept: number): Heal {
  host.process.child.send({ ask: 'clock', wall, slept } satisfies HostQuestion)
  return () => void host.process.child.send({ ask: 'clock', wall: 0, slept: 0 } satisfies HostQuestion)
}

/** Begins each kind. @returns a function that ends it */
const begins: Record<FaultKind, (site: Site, host: SiteHost, fault: Fault) => Promise<Heal> | Heal> = {
  'host cut off': async ({ network }, { name }) => {
    await network.setLink(name, false)
    return async () => await network.setLink(name, true)
  },
  'host cannot send': async ({ network }, { name }) => {
    await network.setSending(name, false)
    return async () => await network.setSending(name, true)
  },
  'host cannot hear': async ({ network }, { name }) => {
    await network.setHearing(name, false)
    return async () => await network.setHearing(name, true)
  },
  'agent paused': (_site, host) => paused([host.process.pid]),
  'guest paused': (_site, { process: { pid } }) => paused(treeOf(pid).filter((each) => each !== pid)),
  'host paused': (_site, host) => paused(treeOf(host.process.pid)),
  'host slept': (_site, host, { jumpMs }) => clock(host, jumpMs, Math.abs(jumpMs)),
  'host clock': (_site, host, { jumpMs }) => clock(host, jumpMs * 1000, 0),
  'storage paused': ({ server, ceph }) => paused(ceph?.storagePids ?? treeOf(server.pid, 'qemu-storage')),
  'storage clock': ({ serverClock }, _host, { jumpMs }) => {
    serverClock.set(jumpMs)
    return () => serverClock.set(0)
  },
  'server paused': ({ server }) => paused([server.pid]),
  'database paused': ({ database }) => paused(treeOf(database.pid)),
  'database cut off': async ({ network }) => {
    await network.setLink('db', false)
    return async () => await network.setLink('db', true)
  },
  'database clock': ({ databaseClock }, _host, { jumpMs }) => {
    databaseClock.set(jumpMs)
    return () => databaseClock.set(0)
  },
}

export async function begin(site: Site, fault: Fault): Promise<Heal> {
  const host = site.hosts[fault.host]
  if (host === undefined) throw new TypeError(`there is no host ${fault.host}`)
  return await begins[fault.kind](site, host, fault)
}
