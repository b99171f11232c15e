import type { AnySpec, AttachedDisk } from '@strongroom/contract'
import { requireAttachable } from './stored/attachable.ts'
import type { VmFiles } from '../records/layout.ts'

/** What QEMU opens as a disk: a file passed to it, or an NBD export behind a unix socket, named `os` or `data`. */
export type MachineDisk = string | { nbd: string }

/** A boot's disk, until closed. */
export interface OpenDisk {
  disk: MachineDisk
  close(): Promise<void>
}

/** A boot's memory-backed directory, and the user that its QEMU runs as. */
export interface DiskPlace {
  runtimeDir: string
  user: number | undefined
}

/**
 * Stores VMs' disks and guest states. All of it is encrypted by the guest or the paravisor, data disks if the guest does
 * so: a driver is trusted for availability only.
 */
export interface DiskDriver {
  /** Before a VM is created or booted: puts its image into this machine's cache. @throws ServiceError ImageNotFound, ImageChanged */
  fetchImage(spec: AnySpec, signal: AbortSignal): Promise<void>
  /** Before a boot: puts the last written guest state at `files.guestState`. */
  fetchState(spec: AnySpec, files: VmFiles): Promise<void>
  /** After a VM was created at `files`. */
  keep(spec: AnySpec, files: VmFiles, signal: AbortSignal): Promise<void>
  open(spec: AnySpec, files: VmFiles, at: DiskPlace): Promise<OpenDisk>
  /** Before a data disk is attached. @throws ServiceError DataDiskMissing, DataDiskNotReady */
  requireData(stateDir: string, disk: AttachedDisk): Promise<void>
  /** Whether a larger disk reaches a guest that has it. */
  readonly growsAttached: boolean
  openData(stateDir: string, disk: AttachedDisk, at: DiskPlace): Promise<OpenDisk>
  /** Called with each guest state before it counts; absent if the file at `files.guestState` is authoritative. */
  writeState?(vmId: string, bytes: Uint8Array): Promise<void>
}

const nothing = async (): Promise<void> => await Promise.resolve()

/** Files of this machine. */
export const localDisks: DiskDriver = {
  fetchImage: nothing,
  fetchState: nothing,
  keep: nothing,
  open: async (_spec, files) => await Promise.resolve({ disk: files.disk, close: nothing }),
  requireData: async (stateDir, disk) => void (await requireAttachable(stateDir, disk)),
  growsAttached: true,
  openData: async (stateDir, disk) => ({ disk: await requireAttachable(stateDir, disk), close: nothing }),
}
