/** What a run under faults leaves: each disk's content, and the vault's log. None of it is reported by hosts. */
export interface History {
  disks: DiskHistory[]
  /** The vault's log, in order. */
  vault: VaultEvent[]
}

export interface DiskHistory {
  vmId: string
  /** Each boot that has written, by its first record: which other epochs were on the disk before it. */
  boots: Boot[]
  /** Number of records per epoch at the end. */
  records: Record<number, number>
  /** How many of them the storage had confirmed to their writer. */
  confirmed: Record<number, number>
}

export interface Boot {
  epoch: number
  /** By epoch: all from the last writer on, and those above its own that have written. */
  seen: Record<number, number>
}

export interface VaultEvent {
  key: string
  operation: 'placeKey' | 'release'
  epoch: number
  verdict: 'allowed' | 'refused'
}

const epochsOf = (counts: Record<number, number>): number[] => Object.keys(counts).map(Number)

/** @returns a sentence per violation; empty if the fences held */
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
    // The next writer must have read it, or the order is unknown.
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
