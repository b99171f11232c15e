import { open, readFile, rename } from 'node:fs/promises'
import type { Sealer } from '@strongroom/platform'

interface Content {
  /** Base64. */
  variables: string
  /** Base64; absent where the VM has no vTPM. */
  tpm?: string
}

const context = (vmId: string): string => `ordinary VM ${vmId}`

/**
 * vTPM and UEFI variables of a VM that is not confidential, sealed under a key of the installation: at rest they are not in
 * clear, but the host opens them whenever it likes, and no attestation stands between.
 */
export class OrdinaryState {
  readonly #path: string
  readonly #vmId: string
  readonly #sealer: Sealer
  #content: Content

  private constructor(o: { path: string; vmId: string; sealer: Sealer; content: Content }) {
    this.#path = o.path
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

  static async open(o: { path: string; vmId: string; sealer: Sealer }): Promise<OrdinaryState> {
    const plain = await o.sealer.open(await readFile(o.path), context(o.vmId))
    return new OrdinaryState({ ...o, content: JSON.parse(Buffer.from(plain).toString('utf8')) as Content })
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
    const file = await open(`${this.#path}.new`, 'w', 0o600)
    try {
      await file.writeFile(sealed)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#path}.new`, this.#path)
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
