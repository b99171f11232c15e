import { hostAudience, type ImageRecord, type InstanceStatus } from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { ServiceClient } from './service-client.ts'
import { fromDetail } from './host-error.ts'
import type { Host } from './host.ts'

/** The host's wire, called as the control plane's principal. */
export function hostClient(wire: WireClient, tokens: TokenSource): Host {
  const service = new ServiceClient(wire, tokens, { audience: hostAudience, url: hostAudience, timeoutMs: 60_000 })
  type Sent = Parameters<ServiceClient['send']>[2]
  const send = async <T>(method: string, path: string, sent?: Sent): Promise<T> =>
    await service.send<T>(method, path, sent).catch(cited)
  const find = async <T>(method: string, path: string, sent?: Sent): Promise<T | undefined> =>
    await service.find<T>(method, path, sent).catch(cited)
  const image = (id: string, verb: string): string => `/images/${encodeURIComponent(id)}/${verb}`
  const build = (variant: string): string => `/images/build?variant=${encodeURIComponent(variant)}`
  return {
    provision: async (spec) => await send('PUT', `/instances/${spec.vmId}`, { body: spec }),
    find: async (vmId) => await find('GET', `/instances/${vmId}`),
    list: async () => (await send<{ value: InstanceStatus[] }>('GET', '/instances')).value,
    start: async (vmId) => await send('POST', `/instances/${vmId}/start`),
    stop: async (vmId, graceful) => await find('POST', `/instances/${vmId}/stop`, { body: { graceful } }),
    restart: async (vmId) => await send('POST', `/instances/${vmId}/restart`),
    patch: async (vmId, body) => await send('PATCH', `/instances/${vmId}`, { body }),
    // Attested like a boot, with two releases: it takes seconds.
    rewrap: async (vmId, body) => await send('POST', `/instances/${vmId}/rewrap`, { body, timeoutMs: 120_000 }),
    convert: async (vmId, body) => await send('POST', `/instances/${vmId}/convert`, { body, timeoutMs: 300_000 }),
    // As long as it takes to write the disk.
    rekey: async (vmId, body) => await send('POST', `/instances/${vmId}/rekey`, { body, timeoutMs: 3_600_000 }),
    setDataDisks: async (vmId, disks) => await send('PUT', `/instances/${vmId}/data-disks`, { body: { disks } }),
    remove: async (vmId) => void (await find('DELETE', `/instances/${vmId}`)),
    evidence: async (vmId) => await find('GET', `/instances/${vmId}/evidence`),
    backup: async (vmId, body) => await send('POST', `/instances/${vmId}/backup`, { body }),
    findBackup: async (vmId) => await find('GET', `/instances/${vmId}/backup`),
    restoreOffer: async (vmId) => await send('GET', `/instances/${vmId}/restore`),
    // Every byte of the backup is hashed meanwhile.
    completeRestore: async (vmId, body) =>
      await send('POST', `/instances/${vmId}/restore`, { body, timeoutMs: 600_000 }),
    command: async (vmId, body) => await send('POST', `/instances/${vmId}/commands`, { body }),
    freshQuote: async (vmId, body) => await send('POST', `/instances/${vmId}/fresh-quote`, { body }),
    findCommand: async (vmId, id) => await find('GET', `/instances/${vmId}/commands/${id}`),
    serialLog: async (vmId) => await find('GET', `/instances/${vmId}/serial-log`, { accept: 'text' }),
    keepDisk: async (spec) => await send('PUT', `/disks/${spec.id}`, { body: spec }),
    findDisk: async (id) => await find('GET', `/disks/${id}`),
    removeDisk: async (id) => void (await find('DELETE', `/disks/${id}`)),
    finishDisk: async (id, body) => await send('POST', `/disks/${id}/finish`, { body }),
    grantDisk: async (id, body) => await send('POST', `/disks/${id}/access`, { body }),
    revokeDisk: async (id) => void (await find('DELETE', `/disks/${id}/access`)),
    images: async () => (await send<{ value: ImageRecord[] }>('GET', '/images')).value,
    imageMeasurements: async (id) => await find('GET', image(id, 'measurements')),
    firmware: async () => await send('GET', '/firmware'),
    signFirmware: async (body) => await send('POST', '/firmware', { body }),
    removeFirmware: async (body) => await send('POST', '/firmware/remove', { body }),
    importImage: async (body) => await send('POST', '/images/import', { body, timeoutMs: 600_000 }),
    updateImage: async (id, body) => await find('POST', image(id, 'update'), { body, timeoutMs: 120_000 }),
    signVariable: async (id, body) => await find('POST', image(id, 'sign-variable'), { body }),
    buildImage: async (variant = 'reference') => await send('POST', build(variant)),
    imageBuild: async (variant = 'reference') => await send('GET', build(variant)),
  }
}

/** A refusal from the host with the rules it results from. */
function cited(error: unknown): never {
  throw error instanceof ServiceError && error.status < 500 ? fromDetail(error.toDetail(), error.status) : error
}
