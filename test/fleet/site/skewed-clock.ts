import { execFile } from 'node:child_process'
import { openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * The wall clock of a process and its children, movable while they run. Elapsed time is unaffected. Built by the C
 * compiler and preloaded into them.
 */
export class SkewedClock {
  readonly #file: number
  readonly env: Record<string, string>

  private constructor(file: string, library: string) {
    writeFileSync(file, Buffer.alloc(8), { mode: 0o644 })
    // Written in place: processes have it mapped.
    this.#file = openSync(file, 'r+')
    this.env = { LD_PRELOAD: library, SKEWED_CLOCK: file }
  }

  /** Two clocks in one directory need different names. */
  static async make(directory: string, name: string): Promise<SkewedClock> {
    const library = join(directory, `${name}-clock.so`)
    const source = join(import.meta.dirname, 'skewed-clock.c')
    await promisify(execFile)('cc', ['-O2', '-shared', '-fPIC', '-o', library, source])
    return new SkewedClock(join(directory, `${name}.clock`), library)
  }

  set(aheadMs: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(Math.round(aheadMs)) * 1_000_000n)
    writeSync(this.#file, bytes, 0, bytes.length, 0)
  }
}
