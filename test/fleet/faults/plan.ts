/** One temporary fault. */
export interface Fault {
  kind: FaultKind
  /** The affected host's number. */
  host: number
  /** After the previous one began. */
  afterMs: number
  forMs: number
  /** Of a clock. */
  jumpMs: number
}

export type FaultKind = (typeof kinds)[number][0]

/** Kinds with their frequency. Faults of one host leave room for others at the same time; the rest stop all. */
const kinds = [
  ['host cut off', 14],
  ['host cannot send', 10],
  ['host cannot hear', 10],
  ['agent paused', 12],
  ['guest paused', 6],
  ['host paused', 14],
  ['host slept', 5],
  ['host clock', 3],
  ['storage paused', 7],
  ['storage clock', 4],
  ['server paused', 3],
  ['database paused', 4],
  ['database cut off', 3],
  ['database clock', 5],
] as const

export const isOfHost = (kind: FaultKind): boolean =>
  kind.startsWith('host') || kind.endsWith('agent paused') || kind.startsWith('guest')

/** The same seed gives the same faults. @param o.leaseMs their scale: some end within a lease, most do not */
export function planFaults(o: { seed: number; count: number; hosts: number; leaseMs: number }): Fault[] {
  const random = mulberry32(o.seed)
  const sum = kinds.reduce((all, [, weight]) => all + weight, 0)
  return Array.from({ length: o.count }, () => {
    let left = random() * sum
    const [kind] = kinds.find(([, weight]) => (left -= weight) < 0) ?? kinds[0]
    const most = isOfHost(kind) ? 2.5 : 1.5
    return {
      kind,
      host: Math.floor(random() * o.hosts),
      afterMs: Math.round(random() * 0.6 * o.leaseMs),
      forMs: Math.round((0.05 + random() * random() * most) * o.leaseMs),
      jumpMs: Math.round((random() * 2 - 0.8) * 2.5 * o.leaseMs),
    }
  })
}

/** 32 bits of state, by Tommy Ettinger's published constants. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
