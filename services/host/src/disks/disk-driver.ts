import type { AnySpec } from '@strongroom/contract'
import type { VmFiles } from '../instances/layout.ts'

/** What QEMU opens as a VM's OS disk: a file that it is handed, or an NBD export named `os` behind a unix socket. */
export type MachineDisk = string | { nbd: string }

/** What a boot has of its OS disk, until it is closed. */
interface OpenDisk {
  disk: MachineDisk
  close(): Promise<void>
}

/**
 * Where the disks and guest states of VMs lie. All of it is ciphertext of the guest's or of the paravisor's: a driver is trusted for
 * availability alone.
 */
export interface DiskDriver {
  /** Before a VM is made or booted: its image is in the cache of this machine. @throws ServiceError ImageNotFound, ImageChanged */
  fetchImage(spec: AnySpec, signal: AbortSignal): Promise<void>
  /** Before a boot: the guest state as it was written last lies at `files.guestState`. */
  fetchState(spec: AnySpec, files: VmFiles): Promise<void>
  /** Once a VM was made at `files`. */
  keep(spec: AnySpec, files: VmFiles, signal: AbortSignal): Promise<void>
  /** @param at the boot's memory-backed directory, and as whom QEMU runs */
  open(spec: AnySpec, files: VmFiles, at: { runtimeDir: string; user: number | undefined }): Promise<OpenDisk>
  /** Called with each guest state before it counts; absent where the file at `files.guestState` is the one that does. */
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
