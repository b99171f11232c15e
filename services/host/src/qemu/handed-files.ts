import { open, type FileHandle } from 'node:fs/promises'
import type { MachineOptions } from './arguments.ts'

/** Standard streams, and QEMU's control channel. */
const firstDescriptor = 4

/** A set of descriptors of a data disk's, by its LUN: beside those that QEMU is started with. */
export const fdSetOf = (lun: number): number => 100 + lun
export const fdSetPath = (set: number): string => `/dev/fdset/${set}`

/** Commas separate options in QEMU's arguments and are written twice inside a value. */
const value = (text: string): string => text.replaceAll(',', ',,')

/**
 * The files of one VM, opened by the server and handed to its QEMU, which has a user that can open none of them: not by name,
 * and not those of another VM.
 */
export class HandedFiles {
  readonly #files: FileHandle[] = []
  readonly #arguments: string[] = []
  /** The machine with QEMU's names for its files. */
  readonly machine: MachineOptions

  private constructor(machine: MachineOptions) {
    this.machine = machine
  }

  static async open(machine: MachineOptions): Promise<HandedFiles> {
    const handed = new HandedFiles({ ...machine })
    try {
      await handed.#openAll(machine)
    } catch (error) {
      await handed.close()
      throw error
    }
    return handed
  }

  async #openAll(given: MachineOptions): Promise<void> {
    const { machine } = this
    if (given.acceleration === 'kvm') machine.kvm = await this.#hand('/dev/kvm', 'r+')
    machine.firmware = await this.#hand(given.firmware, 'r')
    machine.variables = await this.#hand(given.variables, 'r+')
    machine.disk = await this.#hand(given.disk, 'r+')
    if (given.temporaryDisk !== undefined) machine.temporaryDisk = await this.#hand(given.temporaryDisk, 'r+')
    machine.serialLog = await this.#hand(given.serialLog, 'w')
    machine.dataDisks = []
    for (const disk of given.dataDisks)
      machine.dataDisks.push({ ...disk, path: await this.#hand(disk.path, 'r+', fdSetOf(disk.lun)) })
  }

  async #hand(path: string, flags: string, set: number = firstDescriptor + this.#files.length): Promise<string> {
    const descriptor = firstDescriptor + this.#files.length
    this.#files.push(await open(path, flags, 0o600))
    // What QEMU calls opaque is for whoever looks at its arguments.
    this.#arguments.push('-add-fd', `fd=${descriptor},set=${set},opaque=${value(path)}`)
    return fdSetPath(set)
  }

  /** Of QEMU, before all that name a file. */
  get arguments(): string[] {
    return this.#arguments
  }

  /** Of the program that is started, from the fourth on. */
  get descriptors(): number[] {
    return this.#files.map(({ fd }) => fd)
  }

  /** Once QEMU has its own: a lock on a file lasts as long as anybody has it open. */
  async close(): Promise<void> {
    for (const file of this.#files.splice(0)) await file.close()
  }
}
