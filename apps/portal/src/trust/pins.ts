/**
 * What a person decided to trust, in this browser alone: the roots of an installation, what a VM's first trusted boot ran, and what
 * its earlier boots showed. What cannot be read counts as damaged, never as absent: a damaged pin does not give way to anybody's word.
 */

export interface PinnedRoots {
  /** anchors.json and ca.pem, as they were given. */
  anchors: string
  authority: string
}

export interface PinnedBoot {
  /** Hexadecimal: what the silicon measured at launch. */
  launch: string
  bootFile?: string
  volume?: string
}

/** What a boot showed, a name and a value each. */
export interface SeenBoot {
  bootId: string
  startedAt: string
  facts: Record<string, string>
}

export class PinsDamaged extends Error {}

const rootsKey = 'strongroom.pinned-roots'
const bootKey = (vmId: string): string => `strongroom.pinned-boot.${vmId.toLowerCase()}`
const seenKey = (vmId: string): string => `strongroom.seen-boots.${vmId.toLowerCase()}`
const mostSeen = 6

function read<T>(key: string, holds: (value: Partial<T>) => boolean): T | undefined {
  const text = localStorage.getItem(key)
  if (text === null) return undefined
  try {
    const value = JSON.parse(text) as Partial<T> | null
    if (typeof value === 'object' && value !== null && holds(value)) return value as T
  } catch {
    // Said below.
  }
  throw new PinsDamaged(`What this browser keeps under ${key} cannot be read. Take it out only if you know why.`)
}

const write = (key: string, value: object): void => localStorage.setItem(key, JSON.stringify(value))
const optionalText = (value: unknown): boolean => value === undefined || typeof value === 'string'

export const pinnedRoots = (): PinnedRoots | undefined =>
  read<PinnedRoots>(rootsKey, ({ anchors, authority }) => typeof anchors === 'string' && typeof authority === 'string')
export const pinRoots = (roots: PinnedRoots): void => write(rootsKey, roots)

export const pinnedBoot = (vmId: string): PinnedBoot | undefined =>
  read<PinnedBoot>(
    bootKey(vmId),
    ({ launch, bootFile, volume }) => typeof launch === 'string' && optionalText(bootFile) && optionalText(volume),
  )
export const pinBoot = (vmId: string, boot: PinnedBoot): void => write(bootKey(vmId), boot)
export const unpinBoot = (vmId: string): void => localStorage.removeItem(bootKey(vmId))

export const seenBoots = (vmId: string): SeenBoot[] =>
  read<{ boots: SeenBoot[] }>(seenKey(vmId), ({ boots }) => Array.isArray(boots))?.boots ?? []

/** Keeps what a boot showed, the newest first. */
export function keepSeen(vmId: string, boot: SeenBoot): SeenBoot[] {
  const boots = [boot, ...seenBoots(vmId).filter(({ bootId }) => bootId !== boot.bootId)].slice(0, mostSeen)
  write(seenKey(vmId), { boots })
  return boots
}
