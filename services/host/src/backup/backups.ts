import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { isOrdinary, type BackupRequest, type BackupStatus, type InstanceSpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { AccessGrants } from '../disks/stored/access-grants.ts'
import { storedFiles } from '../disks/stored/record.ts'
import type { RunningWork } from '../instances/current-boot.ts'
import { describeFailure } from '../records/errors.ts'
import type { Host } from '../instances/host.ts'
import { imageOfVm } from '../instances/provision.ts'
import { beginStep, endStep } from '../records/record.ts'
import type { HostServices } from '../instances/services.ts'
import { authorizedRecipient, sealBackup, type Recipient } from '@strongroom/paravisor'
import { deviceOf } from '../qemu/scsi-disks.ts'
import { BackupFolder } from './backup-folder.ts'
import { sha256Of } from '../restores/chunks.ts'

/** How long what was made can be fetched. */
const addressSeconds = 24 * 3600

/** A disk that is copied: its name in the backup, its node in QEMU and its file. */
interface Source {
  name: string
  node: string
  file: string
}

/**
 * Backups of running VMs. Each VM's latest is kept in its folder, with the copies of its disks that the next one
 * updates. All of it is ciphertext of the guest's or under the recipient's key, except what the guest writes in clear:
 * data disks, and the OS disk with VMGuestStateOnly.
 */
export class Backups {
  readonly #services: HostServices
  readonly #host: Host
  readonly #grants: AccessGrants
  /** By VM: the last request since this server started. */
  readonly #latest = new Map<string, { status: BackupStatus; files: Map<string, string> }>()

  constructor(o: { services: HostServices; host: Host; grants: AccessGrants }) {
    this.#services = o.services
    this.#host = o.host
    this.#grants = o.grants
  }

  /** Begins a backup. If one is under way, it is returned. @throws ServiceError BackupNotAuthorized, BackupNotPossible, InstanceNotReady */
  async begin(vmId: string, request: BackupRequest): Promise<BackupStatus> {
    const instance = this.#host.get(vmId)
    const { spec } = instance
    const kept = requireKept(spec)
    const before = this.#latest.get(spec.vmId)
    if (before?.status.state === 'Running') return before.status
    const id = randomUUID().toUpperCase()
    const status: BackupStatus = { id, state: 'Running', steps: [] }
    const run = { status, files: new Map<string, string>() }
    await new Promise<void>((begun, refused) => {
      const done = instance.withGuest(async (guest) => {
        const evidence = guest.current.shown()
        if (evidence === undefined) throw notPossible('its guest has not reported', 'a guest that reported', 'none')
        const recipient = await authorizedRecipient({ spec, request, evidence, now: this.#services.clock.now() })
        // The previous backup's files are about to change.
        if (before !== undefined) await this.#grants.revoke(before.status.id)
        this.#latest.set(spec.vmId, run)
        begun()
        await this.#make(guest, { spec: kept, recipient, run })
      })
      done.catch(refused)
    })
    return status
  }

  /** @throws ServiceError BackupNotFound */
  status(vmId: string): BackupStatus {
    const found = this.#latest.get(this.#host.get(vmId).spec.vmId)
    if (found !== undefined) return found.status
    throw new ServiceError({
      code: 'BackupNotFound',
      message: 'No backup of this VM was asked for since this host started.',
      target: 'vmId',
      found: vmId,
      remedy: 'Make one: strongroom vm backup.',
    })
  }

  /** The file behind an address; undefined if it is not a backup's. */
  locate(id: string, part: string): string | undefined {
    for (const { status, files } of this.#latest.values()) if (status.id === id) return files.get(part)
    return undefined
  }

  async #make(
    guest: RunningWork,
    o: { spec: InstanceSpec; recipient: Recipient; run: { status: BackupStatus; files: Map<string, string> } },
  ): Promise<void> {
    const { status, files } = o.run
    const now = (): Date => this.#services.clock.now()
    try {
      await this.#copy(guest, { ...o, status, files, step: (name) => beginStep(status.steps, name, now()) })
      const parts = [...files.keys()]
      status.addresses = await this.#grants.grantParts(status.id, {
        permission: 'Read',
        seconds: addressSeconds,
        parts,
      })
      status.state = 'Succeeded'
    } catch (error) {
      status.state = 'Failed'
      status.error = guest.signal.aborted
        ? notPossible('the VM was stopped meanwhile', 'a VM that runs', 'a stop').toDetail()
        : describeFailure(error, this.#services.logger)
    }
    endStep(status.steps, now())
  }

  async #copy(
    guest: RunningWork,
    o: {
      spec: InstanceSpec
      recipient: Recipient
      status: BackupStatus
      files: Map<string, string>
      step(name: string): void
    },
  ): Promise<void> {
    const { record, files: vm, current, signal } = guest
    const { spec, status } = o
    const { settled } = current.shown() ?? {}
    const { report } = current.guest
    const { encryption, secureBoot } = spec.security
    const { identity, sealedTo, volume } = record
    if (identity === undefined || report === undefined || settled === undefined || encryption === 'NonPersistedTPM')
      throw new TypeError('a confidential VM that reported has the keys of its vTPM')
    const folder = new BackupFolder(join(vm.directory, 'backup'), o.files)
    await folder.make()
    o.step('Copy disks and capture guest state')
    const sources = this.#sources(guest)
    const copies = sources.map(({ name, node, file }) => ({ node, file, path: folder.at(`${name}.raw`) }))
    const captured = await current.guest.capture(copies, signal)
    const madeAt = this.#services.clock.now().toISOString()
    status.copiedBytes = captured.copiedBytes
    status.incremental = captured.incremental
    o.step('Hash disks')
    const disks = await folder.hashDisks(sources, signal)
    o.step('Seal guest state for the owner')
    const image = await imageOfVm(this.#services, spec, vm)
    const sealed = await sealBackup({
      recipient: o.recipient,
      state: captured,
      files: await folder.keepImage(image),
      manifest: {
        id: status.id,
        madeAt,
        vm: { vmId: spec.vmId, name: spec.name, size: spec.size.name, tee: spec.tee, encryption, secureBoot },
        generation: captured.generation,
        settled,
        identity,
        ...(sealedTo !== undefined && { sealedTo }),
        ...(volume !== undefined && { volume }),
        image: { ...image, path: '' },
        disks,
      },
    })
    captured.tpm.fill(0)
    await folder.keep('guest-state', sealed.guestState)
    await folder.keep('manifest.jws', Buffer.from(sealed.manifest))
    // The processor's statement that this VM's paravisor made this manifest.
    const made = await report(Buffer.from(sha256Of(Buffer.from(sealed.manifest)), 'hex'))
    await folder.keep('attestation', made.hclReport)
    const quote = await made.quote()
    if (quote !== undefined) await folder.keep('attestation-quote', quote)
  }

  #sources({ record, files }: RunningWork): Source[] {
    const dataDisks = (record.dataDisks ?? []).map(({ lun, disk }) => ({
      name: `data-${lun}`,
      node: deviceOf(lun),
      file: storedFiles(this.#services.stateDir, disk).disk,
    }))
    return [{ name: 'os', node: 'os', file: files.disk }, ...dataDisks]
  }
}

/** @throws ServiceError BackupNotPossible */
function requireKept(spec: ReturnType<Host['get']>['spec']): InstanceSpec {
  if (isOrdinary(spec))
    throw notPossible('it is not confidential', 'a confidential VM', 'an ordinary one', 'Use az snapshot create.')
  if (spec.security.encryption === 'NonPersistedTPM')
    throw notPossible('it keeps no guest state', 'DiskWithVMGuestState or VMGuestStateOnly', 'NonPersistedTPM')
  if (spec.customerKey !== undefined)
    throw notPossible(
      'its guest state is under a customer’s key',
      'a VM without a disk-encryption set',
      'one with a set',
    )
  return spec
}

function notPossible(
  why: string,
  expected: string,
  found: string,
  remedy = 'Copy its data from inside the guest.',
): ServiceError {
  const message = `The VM cannot be backed up: ${why}.`
  return new ServiceError({ code: 'BackupNotPossible', message, target: 'vmId', expected, found, remedy })
}
