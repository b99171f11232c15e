import type { Duplex } from 'node:stream'
import type {
  AttestedDocument,
  CarriedKey,
  CarriedMeasurements,
  CarriedSilicon,
  ImageManifest,
  InstanceSpec,
} from '@strongroom/contract'
import { bootRegisters, type BootRegisters } from '@strongroom/evidence/expected'
import type { InstallationAuthority, Logger } from '@strongroom/platform'
import { connectForGuest, RateLimit, ServiceError } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import type { FirmwareReleases } from '../firmware/firmware-releases.ts'
import { findImage } from '../image/catalog.ts'
import type { PublishedMeasurements } from '../image/published-measurements.ts'
import { guestAddress } from '../network/doors/guest-address.ts'
import type { AttestedDocuments } from '../network/attested-document.ts'
import type { CephStorage } from './ceph/ceph-storage.ts'
import { CertifiedKeys } from './certified-keys.ts'
import { ImageManifests } from './image-manifests.ts'
import { SiliconForHosts } from './silicon-for-hosts.ts'
import { unreadable } from './unreadable.ts'
import { VmStorage } from './vm-storage.ts'

/** Of one VM. A document is good for six hours: a host must not get one for each nonce that a verifier may choose. */
const documentLimit = { most: 60, windowMs: 60_000 }

/** What the server's own host provides to joined hosts: storage, images, processors, certificates. */
export class HomeHost extends VmStorage {
  readonly #o: {
    authority: InstallationAuthority
    silicon: Silicon | undefined
    measurements: PublishedMeasurements
    firmware: Pick<FirmwareReleases, 'ensure'>
    cacheDir: string
    documents: AttestedDocuments
    installation: { subscriptionId: string; ports: { tls: number } }
  }
  readonly #images: ImageManifests
  readonly #silicon: SiliconForHosts | undefined
  readonly #keys: CertifiedKeys
  readonly #documents = new RateLimit({ windowMs: documentLimit.windowMs })

  constructor(o: {
    authority: InstallationAuthority
    silicon: Silicon | undefined
    measurements: PublishedMeasurements
    firmware: Pick<FirmwareReleases, 'ensure'>
    cacheDir: string
    stateDir: string
    documents: AttestedDocuments
    installation: { subscriptionId: string; ports: { tls: number } }
    logger: Logger
    /** Where disks are, if not in the state directory. */
    ceph?: CephStorage | undefined
  }) {
    super(o)
    this.#o = o
    this.#images = new ImageManifests(o.cacheDir)
    this.#keys = new CertifiedKeys(o.authority)
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
    return connectForGuest({ host: '127.0.0.1', port, localAddress: guestAddress(vmId) })
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

  async certify(ask: CarriedKey): Promise<string> {
    return await this.#keys.certify(ask)
  }

  async document({ spec, nonce }: { spec: InstanceSpec; nonce?: string }): Promise<AttestedDocument> {
    const excess = this.#documents.take(spec.vmId, documentLimit.most)
    if (excess !== undefined) throw tooManyDocuments(excess.retryAfter)
    const { subscriptionId } = this.#o.installation
    return await this.#o.documents.document({ spec, subscriptionId, ...(nonce !== undefined && { nonce }) })
  }

  async measurements({ image: id, boot }: CarriedMeasurements): Promise<string | undefined> {
    const image = await findImage(this.#o.cacheDir, id)
    if (image === undefined)
      throw new ServiceError({ code: 'ImageNotFound', status: 404, message: `This host has no image ${id}.` })
    if (boot === undefined) return await this.#o.measurements.current(image)
    const { registers, secureBoot } = boot
    return await this.#o.measurements.predicting(image, { registers: readRegisters(registers), secureBoot })
  }
}

/** @throws ServiceError InvalidRequestContent */
function readRegisters(hex: Partial<Record<string, string>>): BootRegisters {
  const missing = bootRegisters.filter((index) => hex[index] === undefined)
  if (missing.length > 0)
    throw unreadable({
      target: 'boot.registers',
      expected: `the registers ${bootRegisters.join(', ')}`,
      found: `none of ${missing.join(', ')}`,
    })
  const read: Partial<BootRegisters> = {}
  for (const index of bootRegisters) read[index] = Uint8Array.from(Buffer.from(hex[index] ?? '', 'hex'))
  return read as BootRegisters
}

const tooManyDocuments = (retryAfter: number): ServiceError =>
  new ServiceError({
    code: 'TooManyRequests',
    message: 'Too many attested documents of this virtual machine were requested.',
    expected: `at most ${documentLimit.most} in ${documentLimit.windowMs / 1000} seconds`,
    found: 'one more',
    headers: { 'retry-after': String(retryAfter) },
  })
