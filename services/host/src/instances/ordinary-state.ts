import { open, readFile, rm, stat } from 'node:fs/promises'
import { writeFileAtomically, type Sealer } from '@strongroom/platform'

interface Content {
  /** Base64. */
  variables: string
  /** Base64; absent if the VM has no vTPM. */
  tpm?: string
}

/** How much a state may grow over the previous one, in bytes. */
const growth = 64 * 1024

const context = (vmId: string): string => `ordinary VM ${vmId}`

/**
 * vTPM and UEFI variables of a VM that is not confidential, sealed under a key of the installation: encrypted at rest,
 * but the host can open them at any time, without attestation.
 */
export class OrdinaryState {
  readonly #path: string
  /** Space for one more write, reserved beside the state: a full disk must not stop a running VM's write. */
  readonly #reserve: string
  readonly #vmId: string
  readonly #sealer: Sealer
  #content: Content

  private constructor(o: { path: string; vmId: string; sealer: Sealer; content: Content }) {
    this.#path = o.path
    this.#reserve = `${o.path}.reserve`
    this.#vmId = o.vmId
    this.#sealer = o.sealer
    this.#content = o.content
  }

  static async create(o: {
    path: string
    vmId: string
    sealer: Sealer
    variables: Uint8Array
    tpm: Uint8Array | undefined
  }): Promise<void> {
    const content: Content = { variables: base64(o.variables), ...(o.tpm !== undefined && { tpm: base64(o.tpm) }) }
    const state = new OrdinaryState({ ...o, content })
    await state.#write()
  }

  /** For a boot. @throws NodeJS.ErrnoException ENOSPC without room for the guest's writes */
  static async open(o: { path: string; vmId: string; sealer: Sealer }): Promise<OrdinaryState> {
    const sealed = await readFile(o.path)
    const plain = await o.sealer.open(sealed, context(o.vmId))
    const state = new OrdinaryState({ ...o, content: JSON.parse(Buffer.from(plain).toString('utf8')) as Content })
    await state.#hold(sealed.length)
    return state
  }

  variables(): Buffer {
    return Buffer.from(this.#content.variables, 'base64')
  }

  tpm(): Buffer | undefined {
    return this.#content.tpm === undefined ? undefined : Buffer.from(this.#content.tpm, 'base64')
  }

  async save(changes: { tpm?: Uint8Array; variables?: Uint8Array }): Promise<void> {
    if (changes.tpm !== undefined) this.#content.tpm = base64(changes.tpm)
    if (changes.variables !== undefined) this.#content.variables = base64(changes.variables)
    await this.#write()
  }

  async close(): Promise<void> {
    // Every change is written whole at once.
  }

  async #write(): Promise<void> {
    const sealed = await this.#sealer.seal(Buffer.from(JSON.stringify(this.#content)), context(this.#vmId))
    try {
      await writeFileAtomically(this.#path, sealed)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      await rm(this.#reserve, { force: true })
      await writeFileAtomically(this.#path, sealed)
      // From the space that the previous state freed. Otherwise the next write may fail.
      await this.#hold(sealed.length).catch(() => {})
    }
  }

  async #hold(length: number): Promise<void> {
    const wanted = length + growth
    const present = await stat(this.#reserve).catch(() => undefined)
    if (present !== undefined && present.size >= wanted && present.blocks * 512 >= wanted) return
    const file = await open(this.#reserve, 'w', 0o600)
    try {
      await file.writeFile(Buffer.alloc(wanted))
      await file.sync()
    } catch (error) {
      await rm(this.#reserve, { force: true })
      throw error
    } finally {
      await file.close()
    }
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
