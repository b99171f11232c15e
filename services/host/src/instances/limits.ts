import type { Acceleration } from '../qemu/arguments.ts'

/** How long a guest may take to power off on request, in milliseconds. */
export const powerDownLimitMs: Record<Acceleration, number> = { kvm: 30_000, tcg: 90_000 }

export const noRoom =
  'The file system with this VM’s disks is full, and the guest is paused in the middle of a write. Free some ' +
  'space: the guest then resumes automatically.'

/** A guest that reboots more often before its first report will not recover. */
export const rebootLimit = 2
