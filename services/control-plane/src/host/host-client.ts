import {
  hostAudience,
  type AnyBootEvidence,
  type AttachedDisk,
  type CustomerKey,
  type CommandRequest,
  type CommandStatus,
  type DiskAccess,
  type DiskAccessRequest,
  type FinishUpload,
  type ImageBuildStatus,
  type ImageMeasurementsDocument,
  type ImageUpdate,
  type ImageUpdateRequest,
  type ImageRecord,
  type InstanceConversion,
  type InstancePatch,
  type AnySpec,
  type InstanceStatus,
  type StoredDiskSpec,
  type StoredDiskStatus,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { ServiceClient } from './service-client.ts'
import { fromDetail } from './host-error.ts'
import type { Host } from './host.ts'

/** The host's wire, called as the control plane's principal. */
export class HostClient implements Host {
  readonly #service: ServiceClient

  constructor(wire: WireClient, tokens: TokenSource) {
    this.#service = new ServiceClient(wire, tokens, { audience: hostAudience, url: hostAudience, timeoutMs: 60_000 })
  }

  async provision(spec: AnySpec): Promise<InstanceStatus> {
    return await this.#send('PUT', `/instances/${spec.vmId}`, spec)
  }

  /** Undefined if the host has no such instance. */
  async find(vmId: string): Promise<InstanceStatus | undefined> {
    return await this.#find<InstanceStatus>('GET', `/instances/${vmId}`)
  }

  async list(): Promise<InstanceStatus[]> {
    return (await this.#send<{ value: InstanceStatus[] }>('GET', '/instances')).value
  }

  async start(vmId: string): Promise<InstanceStatus> {
    return await this.#send('POST', `/instances/${vmId}/start`)
  }

  async stop(vmId: string, graceful: boolean): Promise<InstanceStatus | undefined> {
    return await this.#find<InstanceStatus>('POST', `/instances/${vmId}/stop`, { body: { graceful } })
  }

  async restart(vmId: string): Promise<InstanceStatus> {
    return await this.#send('POST', `/instances/${vmId}/restart`)
  }

  async patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus> {
    return await this.#send('PATCH', `/instances/${vmId}`, patch)
  }

  /** Attested like a boot, with two releases: it takes seconds. */
  async rewrap(vmId: string, customerKey: CustomerKey): Promise<InstanceStatus> {
    return await this.#send('POST', `/instances/${vmId}/rewrap`, customerKey, 120_000)
  }

  async convert(vmId: string, conversion: InstanceConversion): Promise<InstanceStatus> {
    return await this.#send('POST', `/instances/${vmId}/convert`, conversion, 300_000)
  }

  async setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<InstanceStatus> {
    return await this.#send('PUT', `/instances/${vmId}/data-disks`, { disks })
  }

  async remove(vmId: string): Promise<void> {
    await this.#find('DELETE', `/instances/${vmId}`)
  }

  async evidence(vmId: string): Promise<AnyBootEvidence | undefined> {
    return await this.#find<AnyBootEvidence>('GET', `/instances/${vmId}/evidence`)
  }

  async command(vmId: string, request: CommandRequest): Promise<CommandStatus> {
    return await this.#send('POST', `/instances/${vmId}/commands`, request)
  }

  async findCommand(vmId: string, id: string): Promise<CommandStatus | undefined> {
    return await this.#find<CommandStatus>('GET', `/instances/${vmId}/commands/${id}`)
  }

  async serialLog(vmId: string): Promise<string | undefined> {
    return await this.#find<string>('GET', `/instances/${vmId}/serial-log`, { accept: 'text' })
  }

  async keepDisk(spec: StoredDiskSpec): Promise<StoredDiskStatus> {
    return await this.#send('PUT', `/disks/${spec.id}`, spec)
  }

  async findDisk(id: string): Promise<StoredDiskStatus | undefined> {
    return await this.#find<StoredDiskStatus>('GET', `/disks/${id}`)
  }

  async removeDisk(id: string): Promise<void> {
    await this.#find('DELETE', `/disks/${id}`)
  }

  async finishDisk(id: string, o: FinishUpload): Promise<StoredDiskStatus> {
    return await this.#send('POST', `/disks/${id}/finish`, o)
  }

  async grantDisk(id: string, o: DiskAccessRequest): Promise<DiskAccess> {
    return await this.#send('POST', `/disks/${id}/access`, o)
  }

  async revokeDisk(id: string): Promise<void> {
    await this.#find('DELETE', `/disks/${id}/access`)
  }

  async images(): Promise<ImageRecord[]> {
    return (await this.#send<{ value: ImageRecord[] }>('GET', '/images')).value
  }

  async imageMeasurements(id: string): Promise<ImageMeasurementsDocument | undefined> {
    return await this.#find('GET', `/images/${encodeURIComponent(id)}/measurements`)
  }

  async importImage(o: { path: string; name: string }): Promise<ImageRecord> {
    return await this.#send('POST', '/images/import', o, 600_000)
  }

  async updateImage(id: string, o: ImageUpdateRequest): Promise<ImageUpdate | undefined> {
    return await this.#find('POST', `/images/${encodeURIComponent(id)}/update`, { body: o, timeoutMs: 120_000 })
  }

  async buildImage(variant = 'reference'): Promise<ImageBuildStatus> {
    return await this.#send('POST', `/images/build?variant=${encodeURIComponent(variant)}`)
  }

  async imageBuild(variant = 'reference'): Promise<ImageBuildStatus> {
    return await this.#send('GET', `/images/build?variant=${encodeURIComponent(variant)}`)
  }

  async #send<T>(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<T> {
    const sent = this.#service.send<T>(method, path, { body, ...(timeoutMs !== undefined && { timeoutMs }) })
    return await sent.catch(cited)
  }

  async #find<T>(method: string, path: string, sent?: Parameters<ServiceClient['find']>[2]): Promise<T | undefined> {
    return await this.#service.find<T>(method, path, sent).catch(cited)
  }
}

/** A refusal from the host with the rules it results from. */
function cited(error: unknown): never {
  throw error instanceof ServiceError && error.status < 500 ? fromDetail(error.toDetail(), error.status) : error
}
