import { setTimeout as sleep } from 'node:timers/promises'
import { recordsOf } from './disk/records.ts'
import { begin } from './faults/inject.ts'
import { isOfHost, planFaults, type Fault } from './faults/plan.ts'
import type { Boot, DiskHistory, History, VaultEvent } from './history/history.ts'
import { Site } from './site/site.ts'

/** How many exist at a time. */
const atOnce = 3
/** How long a VM may take to write again after all faults have ended. */
const settleMs = 120_000

interface Outcome {
  history: History
  figures: Record<string, number>
}

export interface PlacementRow {
  vm_id: string
  host: string | null
  epoch: number
}

/** Plans the seed's faults, runs them on a separate site, and collects the results. */
export async function runFaults(o: {
  directory: string
  seed: number
  count: number
  leaseSeconds: number
  ceph?: boolean | undefined
  mutation?: string | undefined
}): Promise<Outcome> {
  const begun = performance.now()
  const opened: (() => Promise<void>)[] = []
  try {
    const site = await Site.open({ ...o, hosts: 4, vms: 3, opened })
    const faults = planFaults({
      seed: o.seed,
      count: o.count,
      hosts: site.hosts.length,
      leaseMs: o.leaseSeconds * 1000,
    })
    const asked = await injected(site, faults)
    // Nothing is expected of a site without a fence.
    if (o.mutation === undefined) await settled(site)
    site.endHosts()
    const history = await collected(site)
    return {
      history,
      figures: {
        ...figuresOf(history),
        ...asked,
        faults: faults.length,
        seconds: Math.round((performance.now() - begun) / 1000),
      },
    }
  } finally {
    for (const close of opened.toReversed()) await close()
  }
}

/** @returns how often the vault was asked again with hosts' material, and how often it released */
async function injected(site: Site, faults: readonly Fault[]): Promise<{ askedAgain: number; releasedAgain: number }> {
  const active = new Map<string, Promise<void>>()
  const asking: Promise<string>[] = []
  try {
    for (const fault of faults) {
      await sleep(fault.afterMs)
      const name = isOfHost(fault.kind) ? `${fault.kind} ${fault.host}` : fault.kind
      while (active.has(name) || active.size >= atOnce) await Promise.race(active.values())
      const heal = await begin(site, fault)
      const over = sleep(fault.forMs).then(heal)
      active.set(
        name,
        over.finally(() => active.delete(name)),
      )
      // As someone who took over one of the VM's recent hosts: some material belongs to past placements, some does not.
      const had = site.releases.at(-1 - (asking.length % 6))
      if (had !== undefined) asking.push(site.ask<string>({ ask: 'release', had }))
    }
  } finally {
    // Whatever else failed: everything begun is ended.
    await Promise.all(active.values())
  }
  const answers = await Promise.all(asking)
  return { askedAgain: answers.length, releasedAgain: answers.filter((each) => each === 'released').length }
}

/** Until each VM has a host, and writes there under its current epoch. */
async function settled(site: Site): Promise<void> {
  const until = performance.now() + settleMs
  for (const vmId of site.vmIds) {
    let before = -1
    for (;;) {
      const { epoch } = await placementOf(site, vmId)
      const written = await countAt(site, vmId, epoch)
      if (before > 0 && written > before) break
      before = written
      if (performance.now() > until) throw new Error(`${vmId} does not write at epoch ${epoch}`)
      await sleep(1_000)
    }
  }
}

export async function placementOf(site: Site, vmId: string): Promise<PlacementRow> {
  const rows = await site.ask<PlacementRow[]>({ ask: 'placements' })
  const row = rows.find((each) => each.vm_id === vmId)
  if (row === undefined) throw new Error(`${vmId} has no placement`)
  return row
}

export async function countAt(site: Site, vmId: string, epoch: number): Promise<number> {
  const disk = await site.openDisk(vmId)
  try {
    return (await recordsOf(disk.read, epoch)).length
  } finally {
    await disk.close()
  }
}

/** What is left of a site’s run. */
export async function collected(site: Site): Promise<History> {
  const disks: DiskHistory[] = []
  for (const vmId of site.vmIds) {
    const { epoch: last } = await placementOf(site, vmId)
    // First: guests may go on writing.
    const confirmed = await site.confirmed(vmId)
    const disk = await site.openDisk(vmId)
    const [boots, records]: [Boot[], Record<number, number>] = [[], {}]
    for (let epoch = 1; epoch <= last; epoch++) {
      const found = await recordsOf(disk.read, epoch)
      if (found.length > 0) records[epoch] = found.length
      for (const { seen } of found) if (seen !== undefined) boots.push({ epoch, seen })
    }
    await disk.close()
    disks.push({ vmId, boots, records, confirmed })
  }
  return { disks, vault: await vaultEvents(site) }
}

async function vaultEvents(site: Site): Promise<VaultEvent[]> {
  const rows = await site.ask<{ position: number; entry: string }[]>({ ask: 'log' })
  return rows
    .toSorted((a, b) => a.position - b.position)
    .map(({ entry }) => JSON.parse(entry) as Record<string, string>)
    .filter(({ operation }) => operation === 'placeKey' || operation === 'release')
    .map(({ operation, keyName = '', subject, verdict }) => ({
      key: keyName,
      operation: operation as VaultEvent['operation'],
      epoch: Number(/^epoch (\d+)$/.exec(subject ?? '')?.[1] ?? 0),
      verdict: verdict as VaultEvent['verdict'],
    }))
}

function figuresOf({ disks, vault }: History): Record<string, number> {
  const sum = (counts: Record<number, number>): number => Object.values(counts).reduce((all, each) => all + each, 0)
  const all = (count: (disk: DiskHistory) => number): number => disks.reduce((so, disk) => so + count(disk), 0)
  return {
    epochs: vault.filter(({ operation }) => operation === 'placeKey').length,
    boots: all(({ boots }) => boots.length),
    epochsThatWrote: all(({ records }) => Object.keys(records).length),
    records: all(({ records }) => sum(records)),
    confirmed: all(({ confirmed }) => sum(confirmed)),
    released: vault.filter((each) => each.operation === 'release' && each.verdict === 'allowed').length,
    refused: vault.filter((each) => each.operation === 'release' && each.verdict === 'refused').length,
  }
}
