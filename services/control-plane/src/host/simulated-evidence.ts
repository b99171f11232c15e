import { createHash } from 'node:crypto'
import {
  hostAudience,
  standInImage,
  type AnyBootEvidence,
  type FirmwareListDocument,
  type FirmwareRemoval,
  type FirmwareSigning,
  type ImageMeasurementsDocument,
  type InstanceSpec,
  type SimulatedBoot,
} from '@strongroom/contract'
import { type TokenSource, type WireClient } from '@strongroom/platform'
import { ServiceClient } from './service-client.ts'
import type { GuestStateKeys } from './host.ts'

/** Creates the evidence of boots without a guest. */
export interface EvidenceMaker {
  /** For the boot with this id; the spec's key is created if missing, for the spec's placement. */
  boot(spec: InstanceSpec, bootId: string): Promise<AnyBootEvidence>
  /** An existing key of the VM is for this placement only. */
  place(spec: InstanceSpec): Promise<void>
  last(vmId: string): Promise<AnyBootEvidence | undefined>
  /** Idempotent. */
  remove(vmId: string): Promise<void>
  firmware(): Promise<FirmwareListDocument>
  signFirmware(o: FirmwareSigning): Promise<FirmwareListDocument>
  removeFirmware(o: FirmwareRemoval): Promise<FirmwareListDocument>
  /** For the stand-in image. */
  measurements(): Promise<ImageMeasurementsDocument>
}

/**
 * The host's wire for boots without a guest, and the platform's vault for their keys: only when evidence is requested.
 * Such keys have no caller.
 */
export class SimulatedEvidence implements EvidenceMaker {
  readonly #service: ServiceClient
  readonly #keys: GuestStateKeys

  constructor(wire: WireClient, tokens: TokenSource, keys: GuestStateKeys) {
    this.#service = new ServiceClient(wire, tokens, { audience: hostAudience, url: hostAudience, timeoutMs: 60_000 })
    this.#keys = keys
  }

  async boot(spec: InstanceSpec, bootId: string): Promise<AnyBootEvidence> {
    const { guestStateKey: _none, ...rest } = spec
    const key = await this.#placedKey(spec)
    const body: SimulatedBoot = { bootId, spec: { ...rest, ...(key !== undefined && { guestStateKey: key }) } }
    return await this.#service.send('PUT', `/simulated/${spec.vmId}/boot`, { body })
  }

  async place(spec: InstanceSpec): Promise<void> {
    await this.#placedKey(spec)
  }

  async #placedKey(spec: InstanceSpec): Promise<string | undefined> {
    const { vmId, tee, attestationProvider: authority, placement } = spec
    if (spec.security.encryption === 'NonPersistedTPM') return undefined
    const key = await this.#keys.ensure({ vmId, tee, authority, asker: undefined })
    if (placement !== undefined) await this.#keys.place(key, placement)
    return key
  }

  async last(vmId: string): Promise<AnyBootEvidence | undefined> {
    return await this.#service.find('GET', `/simulated/${vmId}/evidence`)
  }

  async remove(vmId: string): Promise<void> {
    await this.#service.send('DELETE', `/simulated/${vmId}`)
    await this.#keys.destroy(undefined, vmId)
  }

  async firmware(): Promise<FirmwareListDocument> {
    return await this.#service.send('GET', '/firmware')
  }

  async signFirmware(o: FirmwareSigning): Promise<FirmwareListDocument> {
    return await this.#service.send('POST', '/firmware', { body: o })
  }

  async removeFirmware(o: FirmwareRemoval): Promise<FirmwareListDocument> {
    return await this.#service.send('POST', '/firmware/remove', { body: o })
  }

  async measurements(): Promise<ImageMeasurementsDocument> {
    return await this.#service.send('GET', `/images/${standInImage.id}/measurements`)
  }
}

/** A boot is a VM and its number of starts: asking twice refers to the same boot. */
export function bootIdOf(vmId: string, boots: number): string {
  const hex = createHash('sha256').update(`${vmId}\0${boots}`).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}
