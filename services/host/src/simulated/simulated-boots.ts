import { access, mkdir, rm } from 'node:fs/promises'
import type { AnyBootEvidence, ImageRecord, InstanceSpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { makeRuntime, sweepRuntime, vmFiles, type VmFiles } from '../records/layout.ts'
import { makeGuest, readCustomerKey, wrappingKeyOf } from '@strongroom/paravisor'
import type { HostServices } from '../instances/services.ts'
import type { Identity, SimulatedBootStore } from './boot-store.ts'
import { bootWithoutGuest } from './boot-without-guest.ts'
import { makeStandInImage } from './stand-in-image.ts'

/**
 * Evidence of VMs in an installation without guests, created on request: silicon, claims, token, key release, guest
 * state, vTPM and quote are real. A vTPM runs only while it is created.
 */
export class SimulatedBoots {
  readonly #services: HostServices
  readonly #store: SimulatedBootStore
  /** One boot at a time: each runs several programs, and thousands of VMs may be requested at once. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(services: HostServices, store: SimulatedBootStore) {
    this.#services = services
    this.#store = store
  }

  /** The evidence of the boot with this id: existing, or created now. */
  async boot(spec: InstanceSpec, bootId: string): Promise<AnyBootEvidence> {
    this.#requireSimulated()
    return await this.#inTurn(async () => {
      const found = await this.#store.find(spec.vmId)
      if (found?.evidence?.bootId === bootId) return found.evidence
      const image = await this.#image()
      const files = vmFiles(this.#services.stateDir, spec.vmId)
      const identity =
        spec.security.encryption === 'NonPersistedTPM'
          ? undefined
          : ((await this.#kept(files, found?.identity)) ?? (await this.#provision(spec, image, files)))
      const evidence = await bootWithoutGuest({ services: this.#services, spec, image, files, identity, bootId })
      await this.#store.saveEvidence(spec.vmId, evidence)
      return evidence
    })
  }

  /** The image of every VM in an installation without guests. */
  async image(): Promise<ImageRecord> {
    this.#requireSimulated()
    return await this.#image()
  }

  async #image(): Promise<ImageRecord> {
    const image = await makeStandInImage(this.#services.cacheDir)
    await this.#services.measurements.sign?.(image)
    return image
  }

  async evidence(vmId: string): Promise<AnyBootEvidence | undefined> {
    return (await this.#store.find(vmId))?.evidence
  }

  /** Idempotent. */
  async remove(vmId: string): Promise<void> {
    this.#requireSimulated()
    await this.#inTurn(async () => {
      await sweepRuntime(vmId)
      await rm(vmFiles(this.#services.stateDir, vmId).directory, { recursive: true, force: true })
      await this.#store.remove(vmId)
    })
  }

  async close(): Promise<void> {
    await this.#last
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return await done
  }

  async #kept(files: VmFiles, identity: Identity | undefined): Promise<Identity | undefined> {
    return await access(files.guestState).then(
      () => identity,
      () => undefined,
    )
  }

  /** As for a VM with a guest, without a disk (instances/provision.ts). */
  async #provision(spec: InstanceSpec, image: ImageRecord, files: VmFiles): Promise<Identity> {
    await sweepRuntime(spec.vmId)
    await rm(files.directory, { recursive: true, force: true })
    await mkdir(files.directory, { recursive: true, mode: 0o700 })
    const wrappingKey = await wrappingKeyOf({ ...this.#services, spec })
    const { customerKey } = spec
    const keyId = customerKey?.keyIds[0]
    const { tenantId } = this.#services.installation
    const customer =
      customerKey && keyId ? await readCustomerKey({ ...this.#services, tenantId, customerKey, keyId }) : undefined
    const { runtimeDir, user } = await makeRuntime(spec.vmId)
    try {
      const { identity } = await makeGuest({
        ...this.#services,
        spec,
        image,
        wrappingKey,
        customer,
        runtimeDir,
        user,
        path: files.guestState,
        step: async () => {},
        signal: new AbortController().signal,
      })
      await this.#store.saveIdentity(spec.vmId, identity)
      return identity
    } finally {
      await rm(runtimeDir, { recursive: true, force: true })
    }
  }

  #requireSimulated(): void {
    const { mode, compute } = this.#services.installation
    if (mode === 'simulated' && compute === 'simulated') return
    throw new ServiceError({
      code: 'GuestsRunHere',
      message: 'Boots without a guest exist only in installations without guests.',
      expected: 'compute: simulated',
      found: mode === 'hardware' ? 'hardware mode' : 'compute: guests',
      remedy: 'Use the evidence of the VM’s own boot.',
    })
  }
}
