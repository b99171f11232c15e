import { setTimeout as sleep } from 'node:timers/promises'
import type { AskedBy, StoredDiskSpec, StoredDiskStatus } from '@strongroom/contract'
import type { SagaDefinition, StepContext } from '@strongroom/platform'
import type { OnBehalfOf } from '../../../../arm/on-behalf-of.ts'
import type { Plane } from '../../../../types/plane.ts'
import type { Db } from '../../../../store/resources.ts'
import { fromDetail } from '../../../../host/host-error.ts'
import { withoutSignature } from './address.ts'
import { guestIdentity, type StoredDisk, type StoredDiskInternal, type StoredDiskResource } from './stored-disk.ts'
import type { ResourceType } from '../../../../types/resource-type.ts'
import { removeStored } from './write-stored.ts'

export interface StoredDiskParams {
  /** ARM id. */
  id: string
  /** The disk's id at the host: an operation on a deleted disk never touches a later one of its name. */
  keptId: string
  /** The operation's caller; absent if an earlier version recorded it. */
  asker?: AskedBy
}

async function changeStored(
  plane: Plane,
  params: StoredDiskParams,
  change: (resource: StoredDiskResource, kept: StoredDisk) => void,
  tx?: Db,
): Promise<void> {
  const work = async (db: Db): Promise<void> => {
    await plane.resources.change<StoredDiskInternal>(db, params.id, (resource) => {
      const { kept } = resource.internal
      if (kept?.id === params.keptId) change(resource, kept)
    })
  }
  await (tx === undefined ? plane.resources.transaction(work) : work(tx))
}

async function load(
  plane: Plane,
  params: StoredDiskParams,
): Promise<{ resource: StoredDiskResource; kept: StoredDisk } | undefined> {
  const resource = await plane.resources.find<StoredDiskInternal>(params.id)
  const kept = resource?.internal.kept
  return resource !== undefined && kept?.id === params.keptId ? { resource, kept } : undefined
}

async function makeKey(plane: Plane, params: StoredDiskParams): Promise<void> {
  const found = await load(plane, params)
  const guest = found?.kept.guest
  if (guest === undefined) return
  const key = { vmId: params.keptId, tee: guest.tee, authority: guest.attestationProvider, asker: params.asker }
  const keyId = await plane.keys.ensure(key)
  await changeStored(plane, params, (_, kept) => void (kept.keyId = keyId))
}

/** Disk, guest state and key. Idempotent. */
async function destroyStored(plane: Plane, asker: OnBehalfOf, keptId: string): Promise<void> {
  await plane.host.removeDisk(keptId)
  await plane.keys.destroy(asker, keptId)
}

type Step = Pick<StepContext<StoredDiskParams>, 'params' | 'signal'>

/** Polls the host until the disk is complete, or waits for its upload. @throws ServiceError with the host's reason */
async function follow(plane: Plane, c: Step): Promise<StoredDiskStatus> {
  for (;;) {
    c.signal.throwIfAborted()
    const status = await plane.host.findDisk(c.params.keptId)
    if (status === undefined) throw fromDetail({ code: 'DiskLost', message: 'The host has lost the disk.' })
    if (status.state === 'Failed')
      throw fromDetail(status.error ?? { code: 'CopyFailed', message: 'The host could not copy the disk.' })
    if (status.state !== 'Running') return status
    await sleep(plane.pollMs, undefined, { signal: c.signal })
  }
}

/** Copies the host's findings into what clients see. */
function show(resource: StoredDiskResource, kept: StoredDisk, status: StoredDiskStatus): void {
  const { properties } = resource.body
  if (status.state === 'Succeeded') {
    // An address grants access while it is valid: it is removed once used.
    if (kept.source.from === 'uri') kept.source = withoutSignatures(kept.source)
    kept.sizeGiB = Math.max(kept.sizeGiB, Math.ceil(status.sizeBytes / 2 ** 30))
    if ('diskSizeGB' in properties) properties['diskSizeGB'] = kept.sizeGiB
    if ('diskSizeBytes' in properties) properties['diskSizeBytes'] = kept.sizeGiB * 2 ** 30
  }
  if ('diskState' in properties) properties['diskState'] = status.state === 'Uploading' ? 'ReadyToUpload' : 'Unattached'
  // Our addition: why it cannot become a confidential VM (S12).
  if (kept.osType !== undefined) properties['qualification'] = qualification(status)
}

function withoutSignatures(source: { from: 'uri'; uri: string; guestStateUri?: string }): StoredDisk['source'] {
  const { uri, guestStateUri } = source
  const state = guestStateUri !== undefined && { guestStateUri: withoutSignature(guestStateUri) }
  return { from: 'uri', uri: withoutSignature(uri), ...state }
}

const qualification = (status: StoredDiskStatus): Record<string, unknown> => ({
  confidentialVM: status.image?.qualifies.confidential ?? false,
  diskEncryption: status.image?.qualifies.diskEncryption ?? false,
  missing: status.missing.map(({ code, message, innererror }) => ({ code, message, ...innererror })),
})

/** Stores a disk: `disk.keep` for a new one, `disk.finishUpload` for one that a client has written. */
export function keepSaga(plane: Plane): SagaDefinition<StoredDiskParams> {
  return {
    kind: 'disk.keep',
    steps: [
      {
        name: 'create key of the guest state',
        do: async (c) => await makeKey(plane, c.params),
        undo: async (c) => await destroyStored(plane, c.params.asker, c.params.keptId),
      },
      { name: 'copy on the host', do: async (c) => await copyStored(plane, c) },
    ],
    onFinished: async (c) => await settle(plane, c.params, c.status === 'Succeeded'),
  }
}

/** Makes the host store a disk, and shows its findings. Idempotent. @throws ServiceError with the host's reason */
async function copyStored(plane: Plane, c: Step): Promise<void> {
  const found = await load(plane, c.params)
  if (found === undefined) throw fromDetail({ code: 'ResourceNotFound', message: 'The resource no longer exists.' })
  await plane.host.keepDisk(specOf(found.resource, found.kept))
  const status = await follow(plane, c)
  await changeStored(plane, c.params, (resource, kept) => show(resource, kept, status))
}

export function finishUploadSaga(plane: Plane): SagaDefinition<StoredDiskParams> {
  return {
    kind: 'disk.finishUpload',
    steps: [
      { name: 'create key of the guest state', do: async (c) => await makeKey(plane, c.params) },
      {
        name: 'take what was uploaded',
        do: async (c) => {
          const found = await load(plane, c.params)
          if (found === undefined)
            throw fromDetail({ code: 'ResourceNotFound', message: 'The resource no longer exists.' })
          const guest = guestIdentity(found.kept)
          const { guestOfSource } = found.kept
          await plane.host.finishDisk(c.params.keptId, {
            ...(guest !== undefined && { guest }),
            ...(guestOfSource !== undefined && { guestOfSource }),
          })
          const status = await follow(plane, c)
          await changeStored(plane, c.params, (resource, kept) => show(resource, kept, status))
        },
      },
    ],
    onFinished: async (c) => await settle(plane, c.params, c.status === 'Succeeded'),
  }
}

export function removeStoredSaga(plane: Plane): SagaDefinition<StoredDiskParams> {
  return {
    kind: 'disk.remove',
    steps: [
      {
        name: 'destroy disk, guest state and key',
        do: async (c) => await destroyStored(plane, c.params.asker, c.params.keptId),
      },
      {
        name: 'remove record',
        do: async (c) => {
          await plane.resources.transaction(async (tx) => {
            const resource = await plane.resources.find<StoredDiskInternal>(c.params.id, tx)
            if (resource?.internal.kept?.id === c.params.keptId) await plane.resources.remove(tx, c.params.id)
          })
        },
      },
    ],
    onFinished: async (c) => {
      if (c.status !== 'Succeeded') await settle(plane, c.params, false)
    },
  }
}

/** Records how storing it has ended. Idempotent. */
async function settle(plane: Plane, params: StoredDiskParams, well: boolean): Promise<void> {
  await changeStored(plane, params, ({ body }) => {
    if (body.properties['provisioningState'] === 'Deleting' && well) return
    body.properties['provisioningState'] = well ? 'Succeeded' : 'Failed'
    if ('diskState' in body.properties && !well) body.properties['diskState'] = 'Unattached'
  })
}

/** What the host is asked to store. */
export function specOf(resource: StoredDiskResource, kept: StoredDisk): StoredDiskSpec {
  const guest = guestIdentity(kept)
  return {
    id: kept.id,
    name: resource.name,
    source: kept.source,
    ...(guest !== undefined && { guest }),
    ...(kept.guestOfSource !== undefined && { guestOfSource: kept.guestOfSource }),
  }
}

/** Deletion of resources with a stored disk behind them: by an operation, which also destroys the key of their guest state. */
export const storedHooks: Pick<ResourceType<StoredDiskInternal>, 'remove' | 'forget'> = {
  remove: removeStored,
  forget: async (plane, asker, { internal: { kept } }) => {
    if (kept !== undefined) await destroyStored(plane, asker, kept.id)
  },
}
