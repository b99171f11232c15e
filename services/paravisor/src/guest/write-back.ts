import { createHash } from 'node:crypto'
import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Logger } from '@strongroom/platform'
import type { TpmDirectory } from '../tpm/tpm-directory.ts'

/** A change is on disk, encrypted, at most this long afterwards, plus the time of one write. */
const delayMs = 300
/** After a failed write, for example on a full disk. */
const retryMs = 5_000

/** Where changes go: the encrypted guest state, or an ordinary VM's equivalent. */
export interface SavedState {
  /** Of a confidential VM's. */
  readonly generation?: number
  save(changes: { tpm?: Buffer; variables?: Buffer }): Promise<void>
  /** Updates of a confidential VM's Secure Boot variables: written at its start alone. */
  variableRecord?(): Buffer | undefined
  close(): Promise<void>
}

/** vTPM and UEFI variables as in memory, in clear. */
export interface GuestFiles {
  tpm: Buffer
  variables: Buffer
}

interface Watched {
  kind: 'tpm' | 'variables'
  path: string
  /** Undefined if no machine has run. */
  read(): Promise<Buffer | undefined>
  dirty: boolean
  /** SHA-256 of the last write: unchanged content is not written again, and no content is kept. */
  last: string | undefined
}

/**
 * Copies a running guest's changes to its vTPM and UEFI variables from memory-backed files to the encrypted guest
 * state. The container is copy-on-write, so a crash leaves the old content or the new.
 */
export class WriteBack {
  readonly #state: SavedState
  readonly #logger: Logger
  readonly #watched: Watched[]
  readonly #watchers: FSWatcher[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  /**
   * @param o.variables file that QEMU writes the variables to. It shows when they change, and the host can write to it
   * @param o.readVariables what they are
   */
  constructor(o: {
    state: SavedState
    tpmState: TpmDirectory | undefined
    variables: string
    readVariables: () => Promise<Buffer | undefined>
    logger: Logger
  }) {
    this.#state = o.state
    this.#logger = o.logger
    const { variables, readVariables, tpmState } = o
    this.#watched = [{ kind: 'variables', path: variables, read: readVariables, dirty: true, last: undefined }]
    if (tpmState === undefined) return
    const path = tpmState.statePath
    this.#watched.push({ kind: 'tpm', path, read: () => tpmState.readState(), dirty: true, last: undefined })
  }

  start(): void {
    for (const directory of new Set(this.#watched.map(({ path }) => dirname(path)))) {
      const watcher = watch(directory, (_event, name) => this.#changed(directory, name))
      watcher.on('error', (error) => this.#logger.error({ err: error }, 'guest state is no longer watched'))
      this.#watchers.push(watcher)
    }
    this.#schedule()
  }

  /**
   * What the files hold now. Of a guest that stands still this is what its disks know of, or one command of the TPM's more, whose answer
   * the guest has not had: swtpm writes before it answers.
   */
  async read(): Promise<GuestFiles> {
    const of = async (kind: Watched['kind']): Promise<Buffer | undefined> =>
      await this.#watched.find((each) => each.kind === kind)?.read()
    const variables = await of('variables')
    if (variables === undefined) throw new TypeError('a running machine has UEFI variables')
    return { tpm: (await of('tpm')) ?? Buffer.alloc(0), variables }
  }

  /** Ends without writing: the VM's state belongs to another host. */
  async abandon(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close()
    clearTimeout(this.#timer)
    await this.#writing
  }

  /** Writes pending changes and ends. The files must no longer change. */
  async stop(): Promise<void> {
    for (const watcher of this.#watchers) watcher.close()
    clearTimeout(this.#timer)
    for (const each of this.#watched) each.dirty = true
    await this.#write()
  }

  #changed(directory: string, name: string | null): void {
    for (const each of this.#watched) {
      if (dirname(each.path) === directory && (name === null || basename(each.path) === name)) {
        each.dirty = true
        this.#schedule()
      }
    }
  }

  #schedule(afterMs: number = delayMs): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#write().catch((error: unknown) => {
        this.#logger.error({ err: error }, 'guest state was not written; retrying')
        this.#schedule(retryMs)
      })
    }, afterMs)
  }

  #write(): Promise<void> {
    const done = this.#writing.then(() => this.#writeNow())
    this.#writing = done.catch(() => {})
    return done
  }

  async #writeNow(): Promise<void> {
    const changes: { tpm?: Buffer; variables?: Buffer } = {}
    const taken: { watched: Watched; digest: string }[] = []
    for (const watched of this.#watched) {
      if (!watched.dirty) continue
      watched.dirty = false
      const bytes = await watched.read()
      if (bytes === undefined) continue
      const digest = createHash('sha256').update(bytes).digest('hex')
      if (watched.last === digest) continue
      changes[watched.kind] = bytes
      taken.push({ watched, digest })
    }
    try {
      await this.#state.save(changes)
    } catch (error) {
      for (const { watched } of taken) watched.dirty = true
      throw error
    }
    for (const { watched, digest } of taken) watched.last = digest
  }
}
