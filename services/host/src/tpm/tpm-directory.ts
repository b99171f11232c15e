import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { readForeignFile } from '../confinement/foreign-file.ts'
import { giveTo } from '../confinement/vm-user.ts'

/** Name of swtpm's permanent state in its directory; it is replaced by rename at every change. */
export const permanentState = 'tpm2-00.permall'

/** Far more than any TPM of swtpm's has. */
const mostBytes = 1024 ** 2

/**
 * State and sockets of one TPM, memory-backed: it holds the TPM's secrets in clear. It is its user's, as whom swtpm runs, and
 * what swtpm leaves in it is taken for a stranger's.
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
    if (o.state !== undefined) await directory.#lay(o.state)
    await giveTo(o.path, o.user)
    return directory
  }

  get statePath(): string {
    return join(this.path, permanentState)
  }

  /** @throws ServiceError ForeignFileRefused */
  async readState(): Promise<Buffer> {
    return await readForeignFile({ path: this.statePath, user: this.user, most: mostBytes })
  }

  /** While the directory is still this process’s. */
  async #lay(state: Uint8Array): Promise<void> {
    const file = await open(this.statePath, 'wx', 0o600)
    try {
      await file.writeFile(state)
      if (this.user !== undefined) await file.chown(this.user, this.user)
    } finally {
      await file.close()
    }
  }
}
