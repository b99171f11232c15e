import { open, type FileHandle } from 'node:fs/promises'
import { fdSetOf, fdSetPath } from './descriptors.ts'
import type { MachineOptions } from './arguments.ts'

/** After the standard streams and QEMU's control channel. */
const firstDescriptor = 4

/** Commas separate options in QEMU's arguments and are doubled inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/** Files that the server opens and passes to a QEMU, whose user can open none of them by name, nor another VM's. */
export class HandedFiles {
  readonly #files: FileHandle[] = []
  readonly #arguments: string[] = []

  /** @returns QEMU's name for it */
  async hand(path: string, flags: 'r' | 'r+' | 'w', set?: number): Promise<string> {
    const descriptor = firstDescriptor + this.#files.length
    this.#files.push(await open(path, flags, 0o600))
    // QEMU's `opaque` is a label for readers of its arguments.
    this.#arguments.push('-add-fd', `fd=${descriptor},set=${set ?? descriptor},opaque=${value(path)}`)
    return fdSetPath(set ?? descriptor)
  }

  /** QEMU's arguments, before all that name a file. */
  get arguments(): string[] {
    return this.#arguments
  }

  /** Descriptors of the started program, from the fourth on. */
  get descriptors(): number[] {
    return this.#files.map(({ fd }) => fd)
  }

  /** Once QEMU has its own: a file lock lasts as long as anybody has the file open. */
  async close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close()
  }
}

/** Passes a VM's files. @returns the machine with QEMU's names for them */
export async function handMachine(files: HandedFiles, given: MachineOptions): Promise<MachineOptions> {
  const machine = { ...given, dataDisks: [...given.dataDisks] }
  if (given.acceleration === 'kvm') machine.kvm = await files.hand('/dev/kvm', 'r+')
  machine.firmware = await files.hand(given.firmware, 'r')
  machine.variables = await files.hand(given.variables, 'r+')
  if (typeof given.disk === 'string') machine.disk = await files.hand(given.disk, 'r+')
  if (given.temporaryDisk !== undefined) machine.temporaryDisk = await files.hand(given.temporaryDisk, 'r+')
  machine.serialLog = await files.hand(given.serialLog, 'w')
  for (const [index, disk] of given.dataDisks.entries())
    if (!disk.nbd) machine.dataDisks[index] = { ...disk, path: await files.hand(disk.path, 'r+', fdSetOf(disk.lun)) }
  return machine
}
