import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasLandlock, type Confinement } from '@strongroom/platform'
import { readForeignFile } from '../confinement/foreign-file.ts'
import { giveTo } from '../confinement/vm-user.ts'

/** Name of swtpm's permanent state in its directory; it is replaced by rename at every change. */
export const permanentState = 'tpm2-00.permall'

/** Far more than any TPM of swtpm's has. */
const mostBytes = 1024 ** 2

/**
 * State and sockets of one TPM, memory-backed: it holds the TPM's secrets in clear. It is its user's, as whom swtpm runs, and
 * what swtpm leaves in it counts as foreign.
 */
export class TpmDirectory {
  readonly path: string
  /** Absent: this process's own. */
  readonly user: number | undefined

  private constructor(path: string, user: number | undefined) {
    this.path = path
    this.user = user
  }

  /** @param o.state of a TPM that was; a new TPM is made without it */
  static async make(o: { path: string; user: number | undefined; state?: Uint8Array }): Promise<TpmDirectory> {
    await mkdir(o.path, { mode: 0o700 })
    const directory = new TpmDirectory(o.path, o.user)
    if (o.state !== undefined) await directory.give(permanentState, o.state)
    await giveTo(o.path, o.user)
    return directory
  }

  /** Of swtpm, and of the tools that speak to it. */
  get confinement(): Confinement {
    return {
      ...(this.user !== undefined && { user: this.user }),
      ...(hasLandlock() && { opens: { write: [this.path] } }),
    }
  }

  get statePath(): string {
    return join(this.path, permanentState)
  }

  /** @throws ServiceError ForeignFileRefused */
  async readState(): Promise<Buffer> {
    return await readForeignFile({ path: this.statePath, user: this.user, most: mostBytes })
  }

  /** Path of a file of a tool's. */
  at(name: string): string {
    return join(this.path, name)
  }

  /** A new file for a tool; whatever has its name is not written through. @returns its path */
  async give(name: string, content: Uint8Array): Promise<string> {
    const path = this.at(name)
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(content)
      if (this.user !== undefined) await file.chown(this.user, this.user)
    } finally {
      await file.close()
    }
    return path
  }

  /** What a tool wrote, which is gone then. @throws ServiceError ForeignFileRefused */
  async take(name: string): Promise<Buffer> {
    const path = this.at(name)
    try {
      return await readForeignFile({ path, user: this.user, most: mostBytes })
    } finally {
      await rm(path, { force: true })
    }
  }

  async drop(...names: string[]): Promise<void> {
    for (const name of names) await rm(this.at(name), { force: true })
  }
}
