import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { CephDisk } from '@strongroom/contract'

/** Speaks Ceph with a host's key, from a host's machine, by Ceph's own library. */
export class CephIntruder {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** @param o.within prefix that runs a command on the host's machine @returns the intruder, and what its connection came to */
  static async connect(o: {
    disk: CephDisk
    within: readonly string[]
  }): Promise<{ intruder: CephIntruder; came: string }> {
    const { disk } = o
    const [command = '', ...before] = o.within
    const program = join(import.meta.dirname, 'ceph-intruder.py')
    const args = [...before, '/usr/bin/python3', '-I', program, disk.monitors, disk.user, disk.pool]
    const intruder = new CephIntruder(spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] }))
    intruder.#child.stdin!.on('error', () => {})
    intruder.#child.stdin!.write(`${disk.key}\n`)
    return { intruder, came: await intruder.#next() }
  }

  /** @returns `done`, or the name of the error */
  async try(attempt: { do: string; [member: string]: unknown }): Promise<string> {
    this.#child.stdin!.write(`${JSON.stringify(attempt)}\n`)
    return await this.#next()
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next()
    return done === true ? 'ended' : value
  }
}
