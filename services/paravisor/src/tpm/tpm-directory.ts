import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasLandlock, type Confinement, giveTo } from '@strongroom/platform'
import { readForeignFile } from './foreign-file.ts'

/** swtpm's permanent state in its directory, replaced by rename at every change. */
export const permanentState = 'tpm2-00.permall'

/** Far more than any swtpm TPM needs. */
const mostBytes = 1024 ** 2

/**
 * State and sockets of one TPM, memory-backed: it contains the TPM's secrets in clear. It belongs to swtpm's user, and
 * what swtpm leaves in it counts as foreign.
 */
export class TpmDirectory {
  readonly path: string
  /** Default: this process's own. */
  readonly user: number | undefined

  private constructor(path: string, user: number | undefined) {
    this.path = path
    this.user = user
  }

  /** @param o.state of an existing TPM; default: a new one */
  static async make(o: { path: string; user: number | undefined; state?: Uint8Array }): Promise<TpmDirectory> {
    await mkdir(o.path, { mode: 0o700 })
    const directory = new TpmDirectory(o.path, o.user)
    if (o.state !== undefined) await directory.give(permanentState, o.state)
    await giveTo(o.path, o.user)
    return directory
  }

  /** For swtpm and the tools that use it. */
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

  /** Path of a tool's file. */
  at(name: string): string {
    return join(this.path, name)
  }

  /** A new file for a tool; never written through an existing one of that name. @returns its path */
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

  /** Reads and removes what a tool wrote. @throws ServiceError ForeignFileRefused */
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
