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
  type ImageRecord,
  type InstanceConversion,
  type InstancePatch,
  type AnySpec,
  type InstanceStatus,
  type StoredDiskSpec,
  type StoredDiskStatus,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { fromDetail } from './host-error.ts'
import type { Host } from './host.ts'

/** The host's wire, called as the control plane's principal. */
export class HostClient implements Host {
  readonly #wire: WireClient
  readonly #tokens: TokenSource

  constructor(wire: WireClient, tokens: TokenSource) {
    this.#wire = wire
    this.#tokens = tokens
  }

  async provision(spec: AnySpec): Promise<InstanceStatus> {
    return await this.#send('PUT', `/instances/${spec.vmId}`, spec)
  }

  /** Undefined where the host has no such instance. */
  async find(vmId: string): Promise<InstanceStatus | undefined> {
    return await this.#orMissing(this.#send<InstanceStatus>('GET', `/instances/${vmId}`))
  }

  async list(): Promise<InstanceStatus[]> {
    return (await this.#send<{ value: InstanceStatus[] }>('GET', '/instances')).value
  }

  async start(vmId: string): Promise<InstanceStatus> {
    return await this.#send('POST', `/instances/${vmId}/start`)
  }

  async stop(vmId: string, graceful: boolean): Promise<InstanceStatus | undefined> {
    return await this.#orMissing(this.#send<InstanceStatus>('POST', `/instances/${vmId}/stop`, { graceful }))
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
    await this.#orMissing(this.#send('DELETE', `/instances/${vmId}`))
  }

  async evidence(vmId: string): Promise<AnyBootEvidence | undefined> {
    return await this.#orMissing(this.#send<AnyBootEvidence>('GET', `/instances/${vmId}/evidence`))
  }

  async command(vmId: string, request: CommandRequest): Promise<CommandStatus> {
    return await this.#send('POST', `/instances/${vmId}/commands`, request)
  }

  async findCommand(vmId: string, id: string): Promise<CommandStatus | undefined> {
    return await this.#orMissing(this.#send<CommandStatus>('GET', `/instances/${vmId}/commands/${id}`))
  }

  async serialLog(vmId: string): Promise<string | undefined> {
    return await this.#orMissing(this.#send<string>('GET', `/instances/${vmId}/serial-log`, undefined, 60_000, 'text'))
  }

  async keepDisk(spec: StoredDiskSpec): Promise<StoredDiskStatus> {
    return await this.#send('PUT', `/disks/${spec.id}`, spec)
  }

  async findDisk(id: string): Promise<StoredDiskStatus | undefined> {
    return await this.#orMissing(this.#send<StoredDiskStatus>('GET', `/disks/${id}`))
  }

  async removeDisk(id: string): Promise<void> {
    await this.#orMissing(this.#send('DELETE', `/disks/${id}`))
  }

  async finishDisk(id: string, o: FinishUpload): Promise<StoredDiskStatus> {
    return await this.#send('POST', `/disks/${id}/finish`, o)
  }

  async grantDisk(id: string, o: DiskAccessRequest): Promise<DiskAccess> {
    return await this.#send('POST', `/disks/${id}/access`, o)
  }

  async revokeDisk(id: string): Promise<void> {
    await this.#orMissing(this.#send('DELETE', `/disks/${id}/access`))
  }

  async images(): Promise<ImageRecord[]> {
    return (await this.#send<{ value: ImageRecord[] }>('GET', '/images')).value
  }

  async imageMeasurements(id: string): Promise<ImageMeasurementsDocument | undefined> {
    return await this.#orMissing(this.#send('GET', `/images/${encodeURIComponent(id)}/measurements`))
  }

  async importImage(o: { path: string; name: string }): Promise<ImageRecord> {
    return await this.#send('POST', '/images/import', o, 600_000)
  }

  async buildImage(variant = 'reference'): Promise<ImageBuildStatus> {
    return await this.#send('POST', `/images/build?variant=${encodeURIComponent(variant)}`)
  }

  async imageBuild(variant = 'reference'): Promise<ImageBuildStatus> {
    return await this.#send('GET', `/images/build?variant=${encodeURIComponent(variant)}`)
  }

  async #send<T>(
    method: string,
    path: string,
    body?: unknown,
    timeoutMs = 60_000,
    accept: 'json' | 'text' = 'json',
  ): Promise<T> {
    const token = await this.#tokens.token('controlPlane', hostAudience)
    const url = `${hostAudience}${path}`
    try {
      const more = { timeoutMs, accept, ...(body !== undefined && { body }) }
      return (await this.#wire.request<T>({ method, url, token, ...more })).body
    } catch (error) {
      throw error instanceof ServiceError && error.status < 500 ? fromDetail(error.toDetail(), error.status) : error
    }
  }

  async #orMissing<T>(sent: Promise<T>): Promise<T | undefined> {
    try {
      return await sent
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404) return undefined
      throw error
    }
  }
}
