import { writeFile } from 'node:fs/promises'
import { partitionTypes, readTable } from './partitions.ts'
import { runProgram } from './programs.ts'

/** The EFI system partition of a raw disk, written without mounting it. */
export class BootPartition {
  readonly #image: string
  readonly #scratch: string

  private constructor(image: string, scratch: string) {
    this.#image = image
    this.#scratch = scratch
  }

  /** @param scratch a writable file */
  static async open(disk: string, scratch: string): Promise<BootPartition> {
    const esp = (await readTable(disk)).find(({ type }) => type === partitionTypes.esp)
    if (esp === undefined) throw new TypeError(`${disk} has no EFI system partition`)
    return new BootPartition(`${disk}@@${esp.offset}`, scratch)
  }

  /** Writes a file, with its parent folders. */
  async write(path: string, content: Uint8Array | string): Promise<void> {
    const parts = path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const folder = `::${parts.slice(0, depth).join('/')}`
      await runProgram('mmd', ['-D', 's', '-i', this.#image, folder], { anyCode: true })
    }
    await writeFile(this.#scratch, content)
    await runProgram('mcopy', ['-o', '-i', this.#image, this.#scratch, `::${path}`])
  }

  /** Copies a file out of it. */
  async read(path: string, to: string): Promise<void> {
    await runProgram('mcopy', ['-n', '-o', '-i', this.#image, `::${path}`, to])
  }
}
