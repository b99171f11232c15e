import type { AnySpec } from '@strongroom/contract'
import type { VmFiles } from '../instances/layout.ts'

/** What QEMU opens as a VM's OS disk: a file passed to it, or an NBD export named `os` behind a unix socket. */
export type MachineDisk = string | { nbd: string }

/** A boot's OS disk, until closed. */
interface OpenDisk {
  disk: MachineDisk
  close(): Promise<void>
}

/** Stores VMs' disks and guest states. All of it is encrypted by the guest or the paravisor: a driver is trusted for availability only. */
export interface DiskDriver {
  /** Before a VM is created or booted: puts its image into this machine's cache. @throws ServiceError ImageNotFound, ImageChanged */
  fetchImage(spec: AnySpec, signal: AbortSignal): Promise<void>
  /** Before a boot: puts the last written guest state at `files.guestState`. */
  fetchState(spec: AnySpec, files: VmFiles): Promise<void>
  /** After a VM was created at `files`. */
  keep(spec: AnySpec, files: VmFiles, signal: AbortSignal): Promise<void>
  /** @param at the boot's memory-backed directory, and the user that QEMU runs as */
  open(spec: AnySpec, files: VmFiles, at: { runtimeDir: string; user: number | undefined }): Promise<OpenDisk>
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
}
