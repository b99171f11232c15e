import type { KnownName, PinnedFirmware } from '@strongroom/trust'
import { keep, readKept } from '../kept/kept.ts'

/** A person's trust decisions: an installation's roots, what a VM's first trusted boot ran, and what its earlier boots showed. */

export interface PinnedRoots {
  /** anchors.json and ca.pem, as given. */
  anchors: string
  authority: string
}

export interface PinnedBoot {
  /** Hexadecimal: the silicon's launch measurement. */
  launch: string
  bootFile?: string
  volume?: string
  /** Type and key, as the guest measured it. */
  sshHostKey?: string
  /** Of the last boot whose every link held. */
  firmware?: PinnedFirmware
}

/** A boot's facts, by name and value. */
export interface SeenBoot {
  bootId: string
  startedAt: string
  facts: Record<string, string>
}

const rootsKey = 'strongroom.pinned-roots'
const bootKey = (vmId: string): string => `strongroom.pinned-boot.${vmId.toLowerCase()}`
const seenKey = (vmId: string): string => `strongroom.seen-boots.${vmId.toLowerCase()}`
const nameKey = (id: string): string => `strongroom.known-vm.${id.toLowerCase()}`
const mostSeen = 6

const optionalText = (value: unknown): boolean => value === undefined || typeof value === 'string'

export const pinnedRoots = (): PinnedRoots | undefined =>
  readKept<PinnedRoots>(
    rootsKey,
    ({ anchors, authority }) => typeof anchors === 'string' && typeof authority === 'string',
  )
export const pinRoots = (roots: PinnedRoots): void => keep(rootsKey, roots)

export const pinnedBoot = (vmId: string): PinnedBoot | undefined =>
  readKept<PinnedBoot>(
    bootKey(vmId),
    ({ launch, bootFile, volume, sshHostKey, firmware }) =>
      typeof launch === 'string' &&
      optionalText(bootFile) &&
      optionalText(volume) &&
      optionalText(sshHostKey) &&
      (firmware === undefined || typeof firmware.sha256 === 'string'),
  )
/** @param id ARM id under which the person sees the VM */
export function pinBoot(id: string, vmId: string, boot: PinnedBoot): void {
  keep(bootKey(vmId), boot)
  keep(nameKey(id), { vmId, trustedAt: new Date().toISOString() } satisfies KnownName)
}
/** The VM of which the person last pinned a boot under this name; it stays when the pin is removed. */
export const knownName = (id: string): KnownName | undefined =>
  readKept<KnownName>(nameKey(id), ({ vmId, trustedAt }) => typeof vmId === 'string' && optionalText(trustedAt))
export const unpinBoot = (vmId: string): void => localStorage.removeItem(bootKey(vmId))

const seenBoots = (vmId: string): SeenBoot[] =>
  readKept<{ boots: SeenBoot[] }>(seenKey(vmId), ({ boots }) => Array.isArray(boots))?.boots ?? []

/** Stores a boot's facts, the newest first. */
export function keepSeen(vmId: string, boot: SeenBoot): SeenBoot[] {
  const boots = [boot, ...seenBoots(vmId).filter(({ bootId }) => bootId !== boot.bootId)].slice(0, mostSeen)
  keep(seenKey(vmId), { boots })
  return boots
}
