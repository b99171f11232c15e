import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type {
  DiskAccess,
  DiskAccessRequest,
  DiskPermission,
  FinishUpload,
  GuestIdentity,
  StoredDiskSpec,
  StoredDiskStatus,
} from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { makeEmpty } from '../disks/sparse.ts'
import { findImage } from '../image/catalog.ts'
import { diskInUse } from '../instances/data-disks.ts'
import { describeFailure, notStopped } from '../records/errors.ts'
import { vmFiles } from '../records/layout.ts'
import type { Host } from '../instances/host.ts'
import { beginStep, endStep } from '../records/record.ts'
import type { HostServices } from '../instances/services.ts'
import { guestOf, ownerOfGuestState, rebindGuestState, type StateServices } from '@strongroom/paravisor'
import { capacity } from '@strongroom/paravisor/guest-state'
import { AccessGrants, type BlobPart } from '../disks/stored/access-grants.ts'
import type { BlobFile } from './blob-app.ts'
import { copyDisk, importFile, inspectDisk, takeUpload, type DiskFiles } from './make-disk.ts'
import {
  storedFiles,
  listStored,
  readCertificates,
  readStored,
  writeStored,
  type StoredFiles,
  type KeptRecord,
} from '../disks/stored/record.ts'

/** Disks that this host stores besides VMs' own: snapshots, images, and unattached disks. */
export class DiskStore {
  readonly #services: HostServices
  readonly #host: Host
  readonly grants: AccessGrants
  readonly #work = new Map<string, { done: Promise<void>; abort: AbortController }>()

  constructor(services: HostServices, host: Host) {
    this.#services = services
    this.#host = host
    this.grants = services.grants ?? new AccessGrants(services)
  }

  /** Resumes copies that an earlier server left unfinished. */
  async start(): Promise<void> {
    for (const record of await listStored(this.#services.stateDir))
      if (record.status.state === 'Running') this.#begin(record)
  }

  async close(): Promise<void> {
    for (const { abort } of this.#work.values()) abort.abort()
    await Promise.all([...this.#work.values()].map(({ done }) => done))
  }

  /** Repeating a specification changes nothing, except that a failed copy is retried. */
  async put(spec: StoredDiskSpec): Promise<StoredDiskStatus> {
    const present = await readStored(this.#services.stateDir, spec.id)
    if (present !== undefined && !isDeepStrictEqual(bare(present.spec), bare(spec))) throw anotherSpec(spec.id)
    if (present !== undefined && present.status.state !== 'Failed') return await this.status(spec.id)
    const record: KeptRecord = {
      spec,
      status: { id: spec.id, state: 'Running', steps: [], sizeBytes: 0, missing: [] },
    }
    await writeStored(this.#services.stateDir, record)
    this.#begin(record)
    return await this.status(spec.id)
  }

  /** @throws ServiceError DiskNotFound */
  async status(id: string): Promise<StoredDiskStatus> {
    const { status } = await this.#require(id)
    const access = await this.grants.find(id)
    const attachedTo = this.#host.holderOf(id)?.spec.vmId
    return { ...status, ...(access !== undefined && { access }), ...(attachedTo !== undefined && { attachedTo }) }
  }

  /** Resolves when everything is removed. Idempotent. @throws ServiceError DataDiskInUse */
  async remove(id: string): Promise<void> {
    const holder = this.#host.holderOf(id)
    if (holder !== undefined) throw diskInUse(id, holder.spec.vmId)
    const work = this.#work.get(id)
    work?.abort.abort()
    await work?.done
    await this.grants.revoke(id)
    await rm(storedFiles(this.#services.stateDir, id).directory, { recursive: true, force: true })
  }

  /** Accepts an upload: its addresses become invalid, and it is inspected. */
  async finish(id: string, given: FinishUpload): Promise<StoredDiskStatus> {
    const record = await this.#require(id)
    await this.grants.revoke(id)
    if (record.status.state !== 'Uploading') return await this.status(id)
    record.spec = { ...record.spec, ...given }
    record.status = { ...record.status, state: 'Running', steps: [] }
    await writeStored(this.#services.stateDir, record)
    this.#begin(record)
    return await this.status(id)
  }

  async grant(id: string, request: DiskAccessRequest): Promise<DiskAccess> {
    const files = await this.#filesForAccess(id, request.permission)
    if (request.withGuestState && files.guestState === undefined) throw withoutGuestState(id)
    return await this.grants.grant(id, request)
  }

  /** Owner of the guest state in an upload; undefined if nothing was written yet. */
  async ownerOfUpload(id: string): Promise<string | undefined> {
    return await ownerOfGuestState(storedFiles(this.#services.stateDir, id).guestState).catch(() => undefined)
  }

  /** The file behind an address. @throws ServiceError if it must not be read now */
  async locate(id: string, part: BlobPart, permission: DiskPermission): Promise<BlobFile> {
    const files = await this.#filesForAccess(id, permission)
    const path = part === 'disk.vhd' ? files.disk : files.guestState
    if (path === undefined) throw withoutGuestState(id)
    return { path, footer: part === 'disk.vhd' && permission === 'Read' }
  }

  async #filesForAccess(id: string, permission: DiskPermission): Promise<DiskFiles> {
    const kept = await readStored(this.#services.stateDir, id)
    if (kept === undefined) {
      if (permission === 'Write') throw notUploading(id, 'the disk of a VM')
      return await this.#instanceFiles(id)
    }
    const { state } = kept.status
    if (permission === 'Write' ? state !== 'Uploading' : state !== 'Succeeded') throw notUploading(id, state)
    this.#requireAtRest(id)
    return filesOf(kept, storedFiles(this.#services.stateDir, id))
  }

  /** A disk that a running guest writes cannot be copied consistently. @throws ServiceError InstanceNotStopped */
  #requireAtRest(id: string): void {
    const state = this.#host.holderOf(id)?.status().power.state ?? 'Stopped'
    if (state !== 'Stopped' && state !== 'Failed') throw notStopped(state)
  }

  /** @throws ServiceError InstanceNotFound, InstanceNotStopped */
  async #instanceFiles(vmId: string): Promise<DiskFiles> {
    const instance = this.#host.get(vmId)
    const { state } = instance.status().power
    if (state !== 'Stopped' && state !== 'Failed') throw notStopped(state)
    const { disk, guestState } = vmFiles(this.#services.stateDir, instance.spec.vmId)
    const guest = guestOf(instance.spec)
    return { disk, ...(guest !== undefined && { guestState, guest }) }
  }

  #begin(record: KeptRecord): void {
    const { id } = record.spec
    const abort = new AbortController()
    const done = this.#make(record, abort.signal).finally(() => this.#work.delete(id))
    this.#work.set(id, { done, abort })
  }

  async #make(record: KeptRecord, signal: AbortSignal): Promise<void> {
    const { clock, logger, stateDir } = this.#services
    const { status, spec } = record
    const step = async (name: string): Promise<void> => {
      beginStep(status.steps, name, clock.now())
      await writeStored(stateDir, record)
    }
    try {
      const uploaded = await this.#fill(record, step, signal)
      status.state = uploaded ? 'Succeeded' : 'Uploading'
      // An address grants access while it is valid: it is removed once used.
      if (uploaded) record.spec = bare(spec)
    } catch (error) {
      // The server ends or the disk is removed: the next start copies again.
      if (signal.aborted) return
      status.state = 'Failed'
      status.error = describeFailure(error, logger)
      await rm(storedFiles(stateDir, spec.id).disk, { force: true })
    }
    endStep(status.steps, clock.now())
    await writeStored(stateDir, record)
  }

  /** False if a client must write first. */
  async #fill(record: KeptRecord, step: (name: string) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    const { spec } = record
    const files = storedFiles(this.#services.stateDir, spec.id)
    await mkdir(files.directory, { recursive: true, mode: 0o700 })
    const { source } = spec
    switch (source.from) {
      case 'instance':
        return await this.#host.get(source.vmId).whileOff(async (vm, at) => {
          const guest = guestOf(vm.spec)
          const certificates = await this.#certificatesOf(vm.spec.image, at.directory)
          const state = guest !== undefined && { guestState: at.guestState, guest }
          return await this.#copy(record, step, signal, { disk: at.disk, certificates, ...state })
        })
      case 'disk': {
        const kept = await this.#require(source.id)
        this.#requireAtRest(source.id)
        return await this.#copy(
          record,
          step,
          signal,
          await settled(kept, storedFiles(this.#services.stateDir, source.id)),
        )
      }
      case 'image': {
        const image = await findImage(this.#services.cacheDir, source.image)
        if (image === undefined) throw noSource(source.image)
        const certificates = await readCertificates(`${dirname(image.path)}/db.pem`)
        return await this.#copy(record, step, signal, { disk: image.path, certificates })
      }
      case 'empty':
        await step('Create empty disk')
        await makeEmpty(files.disk, source.sizeGiB * 1024 ** 3)
        record.status.sizeBytes = source.sizeGiB * 1024 ** 3
        return true
      case 'uri':
        return await this.#import(record, step, signal, source)
      case 'upload':
        if (record.status.sizeBytes === 0) {
          await step('Wait for the upload')
          await makeEmpty(files.disk, source.bytes)
          if (source.withGuestState) await makeEmpty(files.guestState, capacity)
          record.status.sizeBytes = source.bytes
          return false
        }
        await step('Import the upload')
        await takeUpload(files.disk, signal)
        await this.#inspect(record, step, '', spec.guest)
        if (spec.guest !== undefined) await this.#rebindInPlace(record, step, signal)
        return true
    }
  }

  async #import(
    record: KeptRecord,
    step: (name: string) => Promise<void>,
    signal: AbortSignal,
    source: { uri: string; guestStateUri?: string },
  ): Promise<boolean> {
    const files = storedFiles(this.#services.stateDir, record.spec.id)
    if (!source.uri.toLowerCase().startsWith('file:')) {
      const { guestOfSource } = record.spec
      const { id, part } = await this.grants.open(source.uri)
      const disk = await this.locate(id, part, 'Read')
      const state = source.guestStateUri === undefined ? undefined : await this.grants.open(source.guestStateUri)
      const guestState = state && (await this.locate(state.id, state.part, 'Read')).path
      const certificates = await this.#certificatesOfSource(id)
      return await this.#copy(record, step, signal, {
        disk: disk.path,
        certificates,
        ...(guestState !== undefined && { guestState }),
        ...(guestOfSource !== undefined && { guest: guestOfSource }),
      })
    }
    await step('Import disk')
    const certificates = await importFile(source.uri, files.disk, signal)
    await this.#inspect(record, step, certificates ?? '', undefined)
    return true
  }

  async #copy(
    record: KeptRecord,
    step: (name: string) => Promise<void>,
    signal: AbortSignal,
    source: DiskFiles,
  ): Promise<boolean> {
    const { guest, id } = record.spec
    const files = storedFiles(this.#services.stateDir, id)
    await step('Copy disk')
    await copyDisk(source.disk, files.disk, signal)
    await this.#inspect(record, step, source.certificates ?? '', guest)
    if (guest === undefined) return true
    if (source.guestState === undefined || source.guest === undefined) throw withoutGuestState(id)
    await step('Bind guest state again')
    await rebindGuestState({
      services: this.#stateServices,
      signal,
      source: { guest: source.guest, guestState: source.guestState },
      guest,
      out: files.guestState,
    })
    return true
  }

  async #rebindInPlace(record: KeptRecord, step: (name: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { guest, guestOfSource, id } = record.spec
    if (guest === undefined || guestOfSource === undefined) throw withoutGuestState(id)
    const files = storedFiles(this.#services.stateDir, id)
    await step('Bind guest state again')
    const out = `${files.guestState}.own`
    const source = { guest: guestOfSource, guestState: files.guestState }
    await rebindGuestState({ services: this.#stateServices, signal, source, guest, out })
    await rm(files.guestState)
    await rename(out, files.guestState)
  }

  async #inspect(
    record: KeptRecord,
    step: (name: string) => Promise<void>,
    certificates: string,
    guest: GuestIdentity | undefined,
  ): Promise<void> {
    await step('Inspect the content')
    const { id, name } = record.spec
    const files = storedFiles(this.#services.stateDir, id)
    Object.assign(record.status, await inspectDisk({ id, name, files, certificates, guest }))
    if (record.status.image !== undefined) await this.#services.measurements.sign?.(record.status.image)
  }

  async #certificatesOf(imageId: string, directory: string): Promise<string> {
    const own = await readCertificates(`${directory}/image/db.pem`)
    if (own !== '') return own
    const image = await findImage(this.#services.cacheDir, imageId)
    return image === undefined ? '' : await readCertificates(`${dirname(image.path)}/db.pem`)
  }

  async #certificatesOfSource(id: string): Promise<string> {
    const kept = await readStored(this.#services.stateDir, id)
    if (kept !== undefined) return await readCertificates(storedFiles(this.#services.stateDir, id).certificates)
    const instance = this.#host.get(id)
    return await this.#certificatesOf(instance.spec.image, dirname(instance.serialLog))
  }

  get #stateServices(): StateServices {
    return { ...this.#services, tenantId: this.#services.installation.tenantId }
  }

  async #require(id: string): Promise<KeptRecord> {
    const record = await readStored(this.#services.stateDir, id)
    if (record !== undefined) return record
    throw noSource(id)
  }
}

/** Without the addresses' signatures. */
function bare(spec: StoredDiskSpec): StoredDiskSpec {
  const { source } = spec
  if (source.from !== 'uri') return spec
  const cut = (address: string): string => address.split('?', 1)[0]!
  const state = source.guestStateUri !== undefined && { guestStateUri: cut(source.guestStateUri) }
  return { ...spec, source: { from: 'uri', uri: cut(source.uri), ...state } }
}

const filesOf = (kept: KeptRecord, files: StoredFiles): DiskFiles => {
  const { source, guest } = kept.spec
  const withState = guest !== undefined || (source.from === 'upload' && source.withGuestState)
  return { disk: files.disk, ...(withState && { guestState: files.guestState }), ...(guest !== undefined && { guest }) }
}

async function settled(kept: KeptRecord, files: StoredFiles): Promise<DiskFiles> {
  if (kept.status.state !== 'Succeeded') throw notUploading(kept.spec.id, kept.status.state)
  await stat(files.disk)
  return { ...filesOf(kept, files), certificates: await readCertificates(files.certificates) }
}

const anotherSpec = (id: string): ServiceError =>
  new ServiceError({
    code: 'DiskExists',
    message: 'A disk with this id exists with a different specification.',
    target: 'id',
    found: id,
    remedy: 'Delete the disk first.',
  })

const noSource = (id: string): ServiceError =>
  new ServiceError({
    code: 'DiskNotFound',
    message: 'This host has no such disk.',
    target: 'id',
    found: id,
    remedy: 'Use a disk, image or VM that exists.',
  })

const withoutGuestState = (id: string): ServiceError =>
  new ServiceError({
    code: 'NoGuestState',
    message: 'The disk has no guest state.',
    target: 'getSecureVMGuestStateSAS',
    expected: 'a disk of a confidential VM',
    found: id,
    remedy: 'Leave getSecureVMGuestStateSAS out.',
  })

const notUploading = (id: string, state: string): ServiceError =>
  new ServiceError({
    code: 'DiskNotReady',
    message: 'The disk’s state does not allow this.',
    target: id,
    expected: 'for reading, a disk that is ready; for writing, one that awaits an upload',
    found: state,
    remedy: 'Wait until the copy ends, or create a disk with createOption Upload.',
  })
