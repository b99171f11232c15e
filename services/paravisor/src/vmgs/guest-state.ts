import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import type { RestoredFrom } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Container, type Mirror } from './container.ts'
import { corrupt } from './corrupt.ts'
import { bindTo, decodeBinding, encodeBinding, openBinding } from './customer-binding.ts'
import { openProtector, protectKey } from './key-protector.ts'
import { fileIds } from './layout.ts'

interface Settings {
  vmId: string
  generation: number
  /** Identifier of the customer's key it is under; also in the clear reference, which is unverified. */
  customerKey?: string
  /** The backup it was restored from. */
  restored?: RestoredFrom
}

/** A customer's key with its identifier, as needed: public to wrap, private to open. */
export interface CustomerWrap {
  keyId: string
  key: KeyObject
}

/** A guest's encrypted state between boots: vTPM, UEFI variables, and the counter that reveals old copies. */
export class GuestState {
  readonly #container: Container
  readonly #vmId: string
  #generation: number
  #customerKey: string | undefined
  /** The backup that the VM was restored from, which stays in the guest state permanently. */
  readonly restored: RestoredFrom | undefined

  private constructor(container: Container, settings: Settings) {
    this.#container = container
    this.#vmId = settings.vmId
    this.#generation = settings.generation
    this.#customerKey = settings.customerKey
    this.restored = settings.restored
  }

  /**
   * Appears under `path` whole or not at all.
   * @param o.wrappingKey public half of the VM's key
   * @param o.customer public half of a customer's key: opening then needs both
   * @param o.generation default 0
   */
  static async create(o: {
    path: string
    vmId: string
    wrappingKey: KeyObject
    customer?: CustomerWrap | undefined
    /** Empty in a captured guest state: VMs created from it get their own vTPMs. */
    tpm: Uint8Array
    variables: Uint8Array
    generation?: number
    /** If it is restored from a backup. */
    restored?: RestoredFrom | undefined
    /** Passphrase of the captured disk. */
    diskKey?: Uint8Array
    /** See `variableRecord`. */
    variableRecord?: Uint8Array | undefined
  }): Promise<void> {
    const partial = `${o.path}.partial`
    await rm(partial, { force: true })
    const dataKey = randomBytes(32)
    const customerKey = o.customer?.keyId
    try {
      const container = await Container.create(partial, {
        datastoreKey: dataKey,
        clear: new Map([
          ...keyFiles(dataKey, o.wrappingKey, { customer: o.customer }),
          [fileIds.vmUniqueId, Buffer.from(o.vmId, 'latin1')],
        ]),
        secret: new Map([
          [
            fileIds.settings,
            encodeSettings({
              vmId: o.vmId,
              generation: o.generation ?? 0,
              ...(customerKey !== undefined && { customerKey }),
              ...(o.restored !== undefined && { restored: o.restored }),
            }),
          ],
          [fileIds.tpmState, o.tpm],
          [fileIds.uefiVariables, o.variables],
          ...(o.diskKey === undefined ? [] : [[fileIds.diskKey, o.diskKey] as const]),
          ...(o.variableRecord === undefined ? [] : [[fileIds.variableRecord, o.variableRecord] as const]),
        ]),
      })
      await container.close()
      await rename(partial, o.path)
    } finally {
      dataKey.fill(0)
      await rm(partial, { force: true })
    }
  }

  /** The VM that a guest state opens for: the unverified id in its clear part. @throws ServiceError GuestStateCorrupt */
  static async ownerOf(path: string): Promise<string> {
    const container = await Container.open(path)
    try {
      return container.readClear(fileIds.vmUniqueId)?.toString('latin1') ?? ''
    } finally {
      await container.close()
    }
  }

  /**
   * Identifier of the customer's key that the guest state at `path` claims to be under; undefined for the platform's
   * alone. Unverified until the guest state is open. @throws ServiceError GuestStateCorrupt
   */
  static async customerKeyOf(path: string): Promise<string | undefined> {
    const container = await Container.open(path)
    try {
      const bytes = container.readClear(fileIds.customerBinding)
      return bytes === undefined ? undefined : decodeBinding(bytes).keyId
    } finally {
      await container.close()
    }
  }

  /**
   * Opens with the released key, and verifies every byte. Writes nothing yet.
   * @param o.customer the customer's key, private half, if the VM has one: state that is not under it is refused
   * @param o.counter the key service's: a lower generation inside is an older copy
   * @throws ServiceError GuestStateCorrupt, GuestStateOfAnotherVm, GuestStateOfAnotherKey, GuestStateRolledBack,
   * GuestStateExchanged if a newer one is beside it
   */
  static async open(o: {
    path: string
    vmId: string
    releasedKey: KeyObject
    customer?: CustomerWrap | undefined
    counter: number
    mirror?: Mirror | undefined
  }): Promise<GuestState> {
    const container = await Container.open(o.path, o.mirror)
    try {
      const protector = container.readClear(fileIds.keyProtector)
      if (protector === undefined) throw corrupt('its key protector is missing')
      const intermediateKey = intermediateKeyOf(container, o.customer)
      const dataKey = openProtector(protector, o.releasedKey, intermediateKey)
      intermediateKey?.fill(0)
      container.unlock(dataKey)
      dataKey.fill(0)
      const settings = decodeSettings(container.readSecret(fileIds.settings))
      if (settings.vmId !== o.vmId) throw corrupt('it names another VM', o.vmId, settings.vmId)
      if (settings.customerKey !== o.customer?.keyId)
        throw corrupt('it names another customer key', o.customer?.keyId ?? 'none', settings.customerKey ?? 'none')
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

  /**
   * A fresh data key and the next generation, in one step: a key that the host may have seen only ever decrypts. A
   * customer's intermediate key is renewed too.
   * @param customer which customer's key wraps it from now on
   */
  async advance(releasedKey: KeyObject, customer?: CustomerWrap): Promise<void> {
    if ((customer === undefined) !== (this.#customerKey === undefined))
      throw new TypeError('a customer key is neither removed from a guest state nor added to one')
    const customerKey = customer?.keyId
    const dataKey = randomBytes(32)
    const previous = this.#container.readClear(fileIds.keyProtector)
    const generation = this.#generation + 1
    // Every file gets a new key, so that no earlier key opens it.
    const secret = new Map<number, Uint8Array>([
      [fileIds.tpmState, this.tpm()],
      [fileIds.uefiVariables, this.variables()],
      [fileIds.settings, this.#settings(generation, customerKey)],
    ])
    const variableRecord = this.variableRecord()
    if (variableRecord !== undefined) secret.set(fileIds.variableRecord, variableRecord)
    const clear = new Map(keyFiles(dataKey, createPublicKey(releasedKey), { previous, customer }))
    await this.#container.commit({ datastoreKey: dataKey, clear, secret })
    dataKey.fill(0)
    this.#generation = generation
    this.#customerKey = customerKey
  }

  /** The next generation under the same data key: earlier copies become outdated. */
  async retire(): Promise<void> {
    const generation = this.#generation + 1
    await this.#container.commit({
      secret: new Map([[fileIds.settings, this.#settings(generation, this.#customerKey)]]),
    })
    this.#generation = generation
  }

  #settings(generation: number, customerKey: string | undefined): Buffer {
    const { restored } = this
    return encodeSettings({
      vmId: this.#vmId,
      generation,
      ...(customerKey !== undefined && { customerKey }),
      ...(restored !== undefined && { restored }),
    })
  }

  tpm(): Buffer {
    return this.#required(fileIds.tpmState, 'the vTPM')
  }

  variables(): Buffer {
    return this.#required(fileIds.uefiVariables, 'the UEFI variables')
  }

  /** For a captured guest state with an encrypted disk. */
  diskKey(): Buffer | undefined {
    return this.#container.readSecret(fileIds.diskKey)
  }

  /** Secure Boot variables of the VM's boots (paravisor/variable-record.ts); undefined before its first boot. */
  variableRecord(): Buffer | undefined {
    return this.#container.readSecret(fileIds.variableRecord)
  }

  /** Writes the changes in one step. */
  async save(o: { tpm?: Uint8Array; variables?: Uint8Array; variableRecord?: Uint8Array }): Promise<void> {
    const secret = new Map<number, Uint8Array>()
    if (o.tpm !== undefined) secret.set(fileIds.tpmState, o.tpm)
    if (o.variables !== undefined) secret.set(fileIds.uefiVariables, o.variables)
    if (o.variableRecord !== undefined) secret.set(fileIds.variableRecord, o.variableRecord)
    if (secret.size > 0) await this.#container.commit({ secret })
  }

  /** @throws ServiceError GuestStateExchanged: the written state is beside the opened file */
  async close(): Promise<void> {
    await this.#container.close()
  }

  #required(id: number, what: string): Buffer {
    const bytes = this.#container.readSecret(id)
    if (bytes === undefined) throw corrupt(`${what} is missing from it`)
    return bytes
  }
}

/** Key protector, and the reference to the customer's key if there is one: one commit writes both. */
function keyFiles(
  dataKey: Uint8Array,
  wrappingKey: KeyObject,
  o: { previous?: Uint8Array | undefined; customer: CustomerWrap | undefined },
): [number, Uint8Array][] {
  const { customer, previous } = o
  if (customer === undefined) return [[fileIds.keyProtector, protectKey(dataKey, wrappingKey, { previous })]]
  const intermediateKey = randomBytes(32)
  const publicHalf = customer.key.type === 'public' ? customer.key : createPublicKey(customer.key)
  const files: [number, Uint8Array][] = [
    [fileIds.keyProtector, protectKey(dataKey, wrappingKey, { previous, intermediateKey })],
    [fileIds.customerBinding, encodeBinding(bindTo(customer.keyId, publicHalf, intermediateKey))],
  ]
  intermediateKey.fill(0)
  return files
}

/** A guest state under a customer's key must not pass for another VM's by removing the reference, or vice versa. */
function intermediateKeyOf(container: Container, customer: CustomerWrap | undefined): Buffer | undefined {
  const bytes = container.readClear(fileIds.customerBinding)
  const binding = bytes === undefined ? undefined : decodeBinding(bytes)
  if (binding?.keyId !== customer?.keyId)
    throw corrupt('it is wrapped by another customer key', customer?.keyId ?? 'none', binding?.keyId ?? 'none')
  return binding === undefined || customer === undefined ? undefined : openBinding(binding, customer.key)
}

const encodeSettings = (settings: Settings): Buffer => Buffer.from(JSON.stringify(settings))

function decodeSettings(bytes: Buffer | undefined): Settings {
  if (bytes === undefined) throw corrupt('its settings are missing')
  const { vmId, generation, customerKey, restored } = JSON.parse(bytes.toString('utf8')) as Partial<Settings>
  if (
    typeof vmId !== 'string' ||
    typeof generation !== 'number' ||
    !Number.isSafeInteger(generation) ||
    generation < 0 ||
    (customerKey !== undefined && typeof customerKey !== 'string')
  ) {
    throw corrupt('its settings are malformed')
  }
  return {
    vmId,
    generation,
    ...(customerKey !== undefined && { customerKey }),
    ...(restored !== undefined && { restored }),
  }
}

function rolledBack(generation: number, counter: number): ServiceError {
  return new ServiceError({
    code: 'GuestStateRolledBack',
    message: 'The guest state is an older copy: it was rolled back.',
    target: 'guestState',
    expected: `generation ${counter} or later`,
    found: `generation ${generation}`,
    remedy: 'Put this VM’s newest guest state back.',
  })
}
