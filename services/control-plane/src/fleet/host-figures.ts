import type { Figure } from '@strongroom/platform'
import { stateOf, type LeasedHost } from './fleet-host.ts'
import type { Placements } from './placements.ts'
import type { HostRegistry } from './registry.ts'

const mebibyte = 1024 * 1024

/** Metrics of joined hosts; none until an operator has added one. */
export async function hostFigures(o: { registry: HostRegistry; placements: Placements }): Promise<Figure[]> {
  const hosts = await o.registry.list()
  if (hosts.length === 0) return []
  const ofHost = ({ name }: LeasedHost): { host: string } => ({ host: name })
  const gauge = (name: string, help: string, of: (host: LeasedHost) => number): Figure => ({
    name: `strongroom_host_${name}`,
    type: 'gauge',
    help,
    samples: hosts.map((host) => ({ labels: ofHost(host), value: of(host) })),
  })
  const joined = hosts.filter(({ leaseSeconds }) => leaseSeconds !== undefined)
  return [
    {
      name: 'strongroom_host_info',
      type: 'gauge',
      help: 'Always 1; where a host is and its state as in host list.',
      samples: hosts.map((host) => ({
        labels: { ...ofHost(host), region: host.region, zone: host.zone ?? '', state: stateOf(host) },
        value: 1,
      })),
    },
    {
      name: 'strongroom_host_lease_seconds',
      type: 'gauge',
      help: 'Time until the lease of a joined host is over; negative for a lost one.',
      samples: joined.map((host) => ({ labels: ofHost(host), value: host.leaseSeconds ?? 0 })),
    },
    {
      name: 'strongroom_host_beats_total',
      type: 'counter',
      help: 'Leases of a host that this process has renewed.',
      samples: joined.map((host) => ({ labels: ofHost(host), value: o.registry.beatsOf(host) })),
    },
    gauge('vms', 'VMs placed on a host.', ({ vms }) => vms),
    gauge('cores', 'Virtual cores that a host offers.', ({ vCPUs }) => vCPUs),
    gauge('reserved_cores', 'Virtual cores reserved for its VMs.', ({ usedVCPUs }) => usedVCPUs),
    gauge('memory_bytes', 'Memory that a host offers.', ({ memoryMiB }) => memoryMiB * mebibyte),
    gauge('reserved_memory_bytes', 'Memory reserved for its VMs.', ({ usedMemoryMiB }) => usedMemoryMiB * mebibyte),
    {
      name: 'strongroom_fleet_waiting_vms',
      type: 'gauge',
      help: 'VMs that are to run and that no host carries.',
      samples: [{ labels: {}, value: await o.placements.waitingCount() }],
    },
  ]
}
