import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  metadataSignerName,
  type CarriedKey,
  type CarriedMeasurements,
  type CarriedSilicon,
  type ImageManifest,
} from '@strongroom/contract'
import { bootRegisters, type BootRegisters } from '@strongroom/evidence/expected'
import type { InstallationAuthority, Logger } from '@strongroom/platform'
import { ServiceError } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import type { FirmwareReleases } from '../firmware/firmware-releases.ts'
import { findImage } from '../image/catalog.ts'
import type { PublishedMeasurements } from '../image/published-measurements.ts'
import { guestAddress } from '../network/guest-address.ts'
import { certifyAttestationKey, certifyEndorsementKey } from '../tpm/certificates.ts'
import type { CephStorage } from './ceph/ceph-storage.ts'
import { ImageManifests } from './image-manifests.ts'
import { SiliconForHosts } from './silicon-for-hosts.ts'
import { VmStorage } from './vm-storage.ts'

const documentsDays = 30

/** What the server's own host provides to joined hosts: storage, images, processors, certificates. */
export class HomeHost extends VmStorage {
  readonly #o: {
    authority: InstallationAuthority
    silicon: Silicon | undefined
    measurements: PublishedMeasurements
    firmware: Pick<FirmwareReleases, 'ensure'>
    cacheDir: string
    installation: { ports: { tls: number } }
  }
  readonly #images: ImageManifests
  readonly #silicon: SiliconForHosts | undefined

  constructor(o: {
    authority: InstallationAuthority
    silicon: Silicon | undefined
    measurements: PublishedMeasurements
    firmware: Pick<FirmwareReleases, 'ensure'>
    cacheDir: string
    stateDir: string
    installation: { ports: { tls: number } }
    logger: Logger
    /** Where disks are, if not in the state directory. */
    ceph?: CephStorage | undefined
  }) {
    super(o)
    this.#o = o
    this.#images = new ImageManifests(o.cacheDir)
    this.#silicon = o.silicon && new SiliconForHosts(o.silicon)
  }

  async image(id: string): Promise<ImageManifest> {
    return await this.#images.of(id)
  }

  async imageFile(id: string, sha256: string): Promise<Duplex> {
    return await this.#images.file(id, sha256)
  }

  installation(vmId: string): Duplex {
    const { tls: port } = this.#o.installation.ports
    return connect({ host: '127.0.0.1', port, localAddress: guestAddress(vmId) })
  }

  async silicon(ask: CarriedSilicon): Promise<Record<string, unknown>> {
    if (this.#silicon !== undefined) return await this.#silicon.ask(ask)
    throw new ServiceError({
      code: 'HardwareModeNotBuilt',
      message: 'There are no simulated processors in hardware mode.',
    })
  }

  override async fence(vmId: string, epoch: number): Promise<void> {
    await this.#o.firmware.ensure()
    await super.fence(vmId, epoch)
  }

  override async remove(vmId: string): Promise<void> {
    await super.remove(vmId)
    this.#silicon?.forget(vmId)
  }

  async certify({ usage, vmId, publicKey }: CarriedKey): Promise<string> {
    const { authority } = this.#o
    const spki = Uint8Array.from(Buffer.from(publicKey, 'base64'))
    if (usage === 'attestationKey') return await certifyAttestationKey({ authority, vmId, spki })
    if (usage === 'endorsementKey') return await certifyEndorsementKey({ authority, vmId, spki })
    const subject = `CN=${metadataSignerName}`
    return await authority.issueCertificate({ subject, publicKey: spki, usages: ['emailProtection'], days: documentsDays }) // prettier-ignore
  }

  async measurements({ image: id, registers, secureBoot }: CarriedMeasurements): Promise<string> {
    const image = await findImage(this.#o.cacheDir, id)
    if (image === undefined) throw new ServiceError({ code: 'ImageNotFound', status: 404, message: `This host has no image ${id}.` }) // prettier-ignore
    const read: Partial<BootRegisters> = {}
    for (const index of bootRegisters) read[index] = Uint8Array.from(Buffer.from(registers[index] ?? '', 'hex'))
    return await this.#o.measurements.predicting(image, { registers: read as BootRegisters, secureBoot })
  }
}
