import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Files of one VM under STATE/machines/{vmId}. None holds a secret in clear. */
export interface VmFiles {
  directory: string
  disk: string
  guestState: string
  serialLog: string
  qemuLog: string
}

const vmIdPattern = /^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$/

export function isVmId(text: string): boolean {
  return vmIdPattern.test(text)
}

export function vmFiles(stateDir: string, vmId: string): VmFiles {
  if (!isVmId(vmId)) throw new TypeError('not a VM id')
  const directory = join(stateDir, 'machines', vmId)
  return {
    directory,
    disk: join(directory, 'os-disk.raw'),
    guestState: join(directory, 'guest-state.vmgs'),
    serialLog: join(directory, 'serial.log'),
    qemuLog: join(directory, 'qemu.log'),
  }
}

/** Name of a VM's memory-backed directory; ids are unique, so whatever carries one is of this VM. */
export function runtimeName(vmId: string): string {
  return `vm-${vmId.toLowerCase()}`
}

/** Removes what a server that was killed left in memory: vTPM state and variables in clear. */
export async function sweepRuntime(vmId: string): Promise<void> {
  const prefix = `strongroom-${runtimeName(vmId)}-`
  for (const root of ['/dev/shm', process.env.XDG_RUNTIME_DIR, '/run']) {
    if (root === undefined || root === '') continue
    const names = await readdir(root).catch(() => [])
    for (const name of names) if (name.startsWith(prefix)) await rm(join(root, name), { recursive: true, force: true })
  }
}
