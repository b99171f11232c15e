import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryBackedDirectory, sameProcess, startTimeOf, giveUser } from '@strongroom/platform'

/** Files of one VM under STATE/machines/{vmId}. None holds a secret in clear. */
export interface VmFiles {
  directory: string
  disk: string
  guestState: string
  /** A guest state for the other technology, until it is adopted. */
  convertedState: string
  /** Disk and guest state under a new volume key, until they are adopted. */
  rekeyedDisk: string
  rekeyedState: string
  /** vTPM and UEFI variables of a VM that is not confidential. */
  ordinaryState: string
  serialLog: string
  qemuLog: string
  /** For the starting boot: unlinked once the guest has it. */
  temporaryDisk: string
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
    convertedState: join(directory, 'guest-state.vmgs.converted'),
    rekeyedDisk: join(directory, 'os-disk.raw.rekeyed'),
    rekeyedState: join(directory, 'guest-state.vmgs.rekeyed'),
    ordinaryState: join(directory, 'ordinary-state.sealed'),
    serialLog: join(directory, 'serial.log'),
    qemuLog: join(directory, 'qemu.log'),
    temporaryDisk: join(directory, 'temporary-disk.raw'),
  }
}

/** Name of a VM's memory-backed directory; ids are unique, so anything with that name belongs to this VM. */
function runtimeName(vmId: string): string {
  return `vm-${vmId.toLowerCase()}`
}

/** File in a memory-backed directory that names its owning process. */
const ownerFile = 'owner'

/** Where one boot runs, and as which user. */
export interface Runtime {
  /** Memory-backed: contains vTPM state and variables in clear. */
  runtimeDir: string
  /** The user of the VM's QEMU and swtpm; absent if this process may not start programs as another user. */
  user: number | undefined
}

/** A new one, marked as this process's. */
export async function makeRuntime(vmId: string): Promise<Runtime> {
  const runtimeDir = await memoryBackedDirectory(runtimeName(vmId))
  const user = await giveUser(runtimeDir, vmId)
  await writeFile(join(runtimeDir, ownerFile), `${process.pid} ${startTimeOf(process.pid) ?? ''}`, { mode: 0o600 })
  return { runtimeDir, user }
}

/**
 * Removes what a killed server left in memory: vTPM state and variables in clear. Files of another running process
 * stay: a copied state directory has the same ids, and must not end the original's guests.
 */
export async function sweepRuntime(vmId: string): Promise<void> {
  const prefix = `strongroom-${runtimeName(vmId)}-`
  for (const root of ['/dev/shm', process.env.XDG_RUNTIME_DIR, '/run']) {
    if (root === undefined || root === '') continue
    const names = await readdir(root).catch(() => [])
    for (const name of names) {
      if (!name.startsWith(prefix) || (await isInUse(join(root, name)))) continue
      await rm(join(root, name), { recursive: true, force: true })
    }
  }
}

/** Removes every trace of a VM from this machine. */
export async function removeTraces(vmId: string, files: VmFiles): Promise<void> {
  await sweepRuntime(vmId)
  await rm(files.directory, { recursive: true, force: true })
}

async function isInUse(directory: string): Promise<boolean> {
  const [pid = '', startTime = ''] = (await readFile(join(directory, ownerFile), 'utf8').catch(() => '')).split(' ')
  return Number(pid) !== process.pid && pid !== '' && sameProcess(Number(pid), startTime)
}
