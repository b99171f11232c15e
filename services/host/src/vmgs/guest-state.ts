import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { ServiceError } from '@strongroom/platform'
import { Container } from './container.ts'
import { corrupt } from './corrupt.ts'
import { openProtector, protectKey } from './key-protector.ts'
import { fileIds } from './layout.ts'

interface Settings {
  vmId: string
  generation: number
}

/** What a guest leaves behind between boots, encrypted: vTPM, UEFI variables, and the counter that tells old copies. */
export class GuestState {
  readonly #container: Container
  readonly #vmId: string
  #generation: number

  private constructor(container: Container, settings: Settings) {
    this.#container = container
    this.#vmId = settings.vmId
    this.#generation = settings.generation
  }

  /** Appears under `path` whole or not at all. Generation 0. @param o.wrappingKey public half of the VM's key */
  static async create(o: {
    path: string
    vmId: string
    wrappingKey: KeyObject
    tpm: Uint8Array
    variables: Uint8Array
  }): Promise<void> {
    const partial = `${o.path}.partial`
    await rm(partial, { force: true })
    const dataKey = randomBytes(32)
    try {
      const container = await Container.create(partial, {
        datastoreKey: dataKey,
        clear: new Map([
          [fileIds.keyProtector, protectKey(dataKey, o.wrappingKey)],
          [fileIds.vmUniqueId, Buffer.from(o.vmId, 'latin1')],
        ]),
        secret: new Map([
          [fileIds.settings, encodeSettings({ vmId: o.vmId, generation: 0 })],
          [fileIds.tpmState, o.tpm],
          [fileIds.uefiVariables, o.variables],
        ]),
      })
      await container.close()
      await rename(partial, o.path)
    } finally {
      dataKey.fill(0)
      await rm(partial, { force: true })
    }
  }

  /**
   * Opens with the key that was released. Nothing is written yet.
   * @param o.counter the key service's: a lower generation inside is an older copy
   * @throws ServiceError GuestStateCorrupt, GuestStateOfAnotherVm, GuestStateRolledBack
   */
  static async open(o: { path: string; vmId: string; releasedKey: KeyObject; counter: number }): Promise<GuestState> {
    const container = await Container.open(o.path)
    try {
      const protector = await container.readClear(fileIds.keyProtector)
      if (protector === undefined) throw corrupt('its key protector is missing')
      const dataKey = openProtector(protector, o.releasedKey)
      await container.unlock(dataKey)
      dataKey.fill(0)
      const settings = decodeSettings(await container.readSecret(fileIds.settings))
      if (settings.vmId !== o.vmId) throw corrupt('it names another VM', o.vmId, settings.vmId)
      if (settings.generation < o.counter) throw rolledBack(settings.generation, o.counter)
      return new GuestState(container, settings)
    } catch (error) {
      await container.close()
      throw error
    }
  }

  get generation(): number {
    return this.#generation
  }

  /** A fresh data key and the next generation, in one step: a key that the host may have seen only ever decrypts. */
  async advance(releasedKey: KeyObject): Promise<void> {
    const dataKey = randomBytes(32)
    const previous = await this.#container.readClear(fileIds.keyProtector)
    const generation = this.#generation + 1
    // Every file goes under a key of its own that no earlier key opens.
    const secret = new Map<number, Uint8Array>([
      [fileIds.tpmState, await this.tpm()],
      [fileIds.uefiVariables, await this.variables()],
      [fileIds.settings, encodeSettings({ vmId: this.#vmId, generation })],
    ])
    await this.#container.commit({
      datastoreKey: dataKey,
      clear: new Map([[fileIds.keyProtector, protectKey(dataKey, createPublicKey(releasedKey), previous)]]),
      secret,
    })
    dataKey.fill(0)
    this.#generation = generation
  }

  /** The next generation under the same data key: copies taken before are older ones from now on. */
  async retire(): Promise<void> {
    const generation = this.#generation + 1
    await this.#container.commit({
      secret: new Map([[fileIds.settings, encodeSettings({ vmId: this.#vmId, generation })]]),
    })
    this.#generation = generation
  }

  tpm(): Promise<Buffer> {
    return this.#required(fileIds.tpmState, 'the vTPM')
  }

  variables(): Promise<Buffer> {
    return this.#required(fileIds.uefiVariables, 'the UEFI variables')
  }

  /** Writes what changed, in one step. */
  async save(o: { tpm?: Uint8Array; variables?: Uint8Array }): Promise<void> {
    const secret = new Map<number, Uint8Array>()
    if (o.tpm !== undefined) secret.set(fileIds.tpmState, o.tpm)
    if (o.variables !== undefined) secret.set(fileIds.uefiVariables, o.variables)
    if (secret.size > 0) await this.#container.commit({ secret })
  }

  async close(): Promise<void> {
    await this.#container.close()
  }

  async #required(id: number, what: string): Promise<Buffer> {
    const bytes = await this.#container.readSecret(id)
    if (bytes === undefined) throw corrupt(`${what} is missing from it`)
    return bytes
  }
}

const encodeSettings = (settings: Settings): Buffer => Buffer.from(JSON.stringify(settings))

function decodeSettings(bytes: Buffer | undefined): Settings {
  if (bytes === undefined) throw corrupt('its settings are missing')
  const { vmId, generation } = JSON.parse(bytes.toString('utf8')) as Partial<Settings>
  if (
    typeof vmId !== 'string' ||
    typeof generation !== 'number' ||
    !Number.isSafeInteger(generation) ||
    generation < 0
  ) {
    throw corrupt('its settings have another form')
  }
  return { vmId, generation }
}

function rolledBack(generation: number, counter: number): ServiceError {
  return new ServiceError({
    code: 'GuestStateRolledBack',
    status: 409,
    message: 'The guest state is an older copy: it was rolled back.',
    target: 'guestState',
    expected: `generation ${counter} or later`,
    found: `generation ${generation}`,
    remedy: 'Put back the newest guest state of this VM.',
  })
}
