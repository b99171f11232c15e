import { isDeepStrictEqual } from 'node:util'
import { isOrdinary, type AnySpec, type AttachedDisk, type InstanceStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { diskInUse } from './data-disks.ts'
import { notFound } from '../records/errors.ts'
import { Instance } from './instance.ts'
import type { HostServices } from './services.ts'

/** The VMs that this host carries. */
export class Host {
  readonly #services: HostServices
  readonly #instances = new Map<string, Instance>()

  constructor(services: HostServices) {
    this.#services = services
  }

  /** Restores every VM's requested state after the last server ended. */
  async start(): Promise<void> {
    for (const record of await this.#services.store.list()) {
      const instance = new Instance(this.#services, record)
      this.#instances.set(record.spec.vmId, instance)
      await instance.resume()
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#instances.values()].map((instance) => instance.close()))
  }

  list(): InstanceStatus[] {
    return this.#present().map((instance) => instance.status())
  }

  /** @throws ServiceError InstanceNotFound */
  get(vmId: string): Instance {
    const instance = this.#instances.get(vmId.toUpperCase())
    if (instance === undefined || instance.removed) throw notFound(vmId)
    return instance
  }

  /** Provisions a VM; repeating a spec changes nothing, except that a failed provisioning is retried. */
  async put(spec: AnySpec): Promise<Instance> {
    const present = this.#instances.get(spec.vmId)
    if (present !== undefined && !present.removed) {
      if (!isDeepStrictEqual(present.spec, spec)) throw anotherSpec(spec)
      await present.provisionAgain()
      return present
    }
    if (!isOrdinary(spec) && this.#services.silicon === undefined) {
      throw new ServiceError({
        code: 'HardwareModeNotBuilt',
        message: 'Confidential VMs on real SEV-SNP or TDX hardware are not built yet.',
        expected: 'an installation in simulated mode',
        found: 'hardware mode',
        remedy: 'Create an installation in simulated mode in another state directory.',
      })
    }
    const instance = await Instance.create(this.#services, spec)
    this.#instances.set(spec.vmId, instance)
    return instance
  }

  /** The VM that has the disk attached. */
  holderOf(disk: string): Instance | undefined {
    return this.#present().find((instance) => instance.holds(disk))
  }

  /** A disk belongs to one VM. @throws ServiceError InstanceNotFound, DataDiskInUse, DataDiskMissing, DataDiskNotReady */
  async setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<Instance> {
    const instance = this.get(vmId)
    for (const { disk } of disks) {
      const holder = this.holderOf(disk)
      if (holder !== undefined && holder !== instance) throw diskInUse(disk, holder.spec.vmId)
    }
    await instance.setDataDisks(disks)
    return instance
  }

  async remove(vmId: string): Promise<void> {
    const id = vmId.toUpperCase()
    await this.#instances.get(id)?.remove()
    this.#instances.delete(id)
  }

  #present(): Instance[] {
    return [...this.#instances.values()].filter((instance) => !instance.removed)
  }
}

function anotherSpec(spec: AnySpec): ServiceError {
  return new ServiceError({
    code: 'InstanceExists',
    message: 'A VM with this id exists with a different specification.',
    target: 'vmId',
    expected: 'the same specification',
    found: spec.vmId,
    remedy: 'Delete the VM first, or change it by PATCH while it is stopped.',
  })
}
