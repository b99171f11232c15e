/** What a run under faults leaves: what lies on each disk, and what the vault has logged. Nothing of it is the word of a host. */
export interface History {
  disks: DiskHistory[]
  /** Of the vault's log, in its order. */
  vault: VaultEvent[]
}

export interface DiskHistory {
  vmId: string
  /** Each boot that has written, by its first record: what of other epochs lay on the disk before it. */
  boots: Boot[]
  /** How many records of each epoch lie there at the end. */
  records: Record<number, number>
  /** How many of them the storage had confirmed to their writer. */
  confirmed: Record<number, number>
}

export interface Boot {
  epoch: number
  /** By epoch: all from the last that had written on, and those above its own that have. */
  seen: Record<number, number>
}

export interface VaultEvent {
  key: string
  operation: 'placeKey' | 'release'
  epoch: number
  verdict: 'allowed' | 'refused'
}

const epochsOf = (counts: Record<number, number>): number[] => Object.keys(counts).map(Number)

/** @returns a sentence for each thing that must not be; none where the fences held */
export function violations({ disks, vault }: History): string[] {
  return [...disks.flatMap(ofDisk), ...ofVault(vault)]
}

function ofDisk({ vmId, boots, records, confirmed }: DiskHistory): string[] {
  const found: string[] = []
  for (const { epoch, seen } of boots)
    for (const other of epochsOf(seen)) {
      const [before, after] = [seen[other] ?? 0, records[other] ?? 0]
      if (other > epoch && before > 0) found.push(`${vmId}: epoch ${epoch} began to write after epoch ${other} had`)
      if (other < epoch && after > before)
        found.push(`${vmId}: ${after - before} writes of epoch ${other} after epoch ${epoch} had begun`)
    }
  for (const epoch of epochsOf(records)) {
    // The next that wrote has to have looked at it, or nothing is known of what came when.
    const later = boots.map((boot) => boot.epoch).filter((each) => each > epoch)
    const next = Math.min(...later)
    if (later.length > 0 && boots.every((boot) => boot.epoch !== next || boot.seen[epoch] === undefined))
      found.push(`${vmId}: epoch ${next} did not say what it found of epoch ${epoch}`)
    if (boots.every((boot) => boot.epoch !== epoch)) found.push(`${vmId}: epoch ${epoch} did not say what it found`)
  }
  for (const epoch of epochsOf(confirmed)) {
    const lost = (confirmed[epoch] ?? 0) - (records[epoch] ?? 0)
    if (lost > 0) found.push(`${vmId}: ${lost} confirmed writes of epoch ${epoch} are lost`)
  }
  return found
}

function ofVault(events: readonly VaultEvent[]): string[] {
  const found: string[] = []
  const placed = new Map<string, number>()
  for (const { key, operation, epoch, verdict } of events) {
    if (verdict !== 'allowed') continue
    const highest = placed.get(key) ?? 0
    if (epoch < highest) found.push(`${key}: ${operation} of epoch ${epoch} after epoch ${highest} was placed`)
    if (operation === 'release' && epoch > highest)
      found.push(`${key}: release to epoch ${epoch}, which was never placed`)
    if (operation === 'placeKey') placed.set(key, Math.max(highest, epoch))
  }
  return found
}
