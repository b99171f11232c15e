import type { GuestIdentity, StoredDiskSource } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import { underWay, begin } from '../../../../arm/operations.ts'
import { checkPreconditions } from '../../../../arm/preconditions.ts'
import { notAllowed } from '../../../../arm/refusals.ts'
import { onBehalfOf, type OnBehalfOf } from '../../../../arm/on-behalf-of.ts'
import type { ArmRequest } from '../../../../arm/request.ts'
import type { Plane } from '../../../../types/plane.ts'
import { changedMeanwhile } from '../../../../types/conflicts.ts'
import type { Db, Resource, ResourceBody } from '../../../../store/resources.ts'
import type { StoredDisk, StoredDiskInternal, StoredDiskResource } from './stored-disk.ts'
import type { CopySource } from './source.ts'

/** A new stored disk from a source. Its guest state, if any, will open for it alone. */
export function storedOf(plane: Plane, source: CopySource, o: { sizeGiB?: number } = {}): StoredDisk {
  return {
    id: plane.newId().toUpperCase(),
    source: source.host,
    sizeGiB: o.sizeGiB ?? source.sizeGiB,
    ...(source.osType !== undefined && { osType: source.osType }),
    ...(source.osState !== undefined && { osState: source.osState }),
    ...(source.osProfile !== undefined && { osProfile: source.osProfile }),
    ...(source.guest !== undefined && { guest: guestPart(source.guest) }),
    ...(source.stateless === true && { stateless: true }),
    ...(source.trustedLaunch === true && { trustedLaunch: true }),
  }
}

/** A stored disk from outside: by address, or by upload. */
export function storedFrom(
  plane: Plane,
  source: StoredDiskSource,
  o: { sizeGiB: number; osType?: 'Linux'; guestOfSource?: GuestIdentity; osProfile?: StoredDisk['osProfile'] },
): StoredDisk {
  return {
    id: plane.newId().toUpperCase(),
    source,
    sizeGiB: o.sizeGiB,
    ...(o.osType !== undefined && { osType: o.osType }),
    ...(o.osProfile !== undefined && { osProfile: o.osProfile }),
    ...(o.guestOfSource !== undefined && { guest: guestPart(o.guestOfSource), guestOfSource: o.guestOfSource }),
  }
}

export function guestPart(guest: GuestIdentity): NonNullable<StoredDisk['guest']> {
  const { encryption, tee, secureBoot, attestationProvider } = guest
  return { encryption, tee, secureBoot, attestationProvider }
}

/** Writes the resource of a stored disk and starts its copy, in one transaction. */
export async function insertStored<More extends object = object>(
  plane: Plane,
  request: ArmRequest,
  o: { location: string; body: ResourceBody; kept: StoredDisk; more?: More },
): Promise<{ resource: Resource<StoredDiskInternal & More>; operation: Operation }> {
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const raced = await plane.resources.find(request.path, tx)
    if (raced !== undefined) {
      checkPreconditions(request, raced)
      throw changedMeanwhile(request.path)
    }
    const internal = { ...(o.more ?? ({} as More)), kept: o.kept, managedBy: '' }
    const resource = await plane.resources.insert(tx, {
      id: request.path,
      location: o.location,
      body: o.body,
      internal,
    })
    const params = { id: resource.id, keptId: o.kept.id, asker: onBehalfOf(request) }
    const operation = await begin(plane.runner, tx, 'disk.keep', { resource, asker: request.caller }, params)
    return { resource, operation }
  })
}

/** A repeated request for a disk whose copy failed: retries it. */
export async function repeatStored(
  plane: Plane,
  request: ArmRequest,
  resource: StoredDiskResource,
  kept: StoredDisk,
): Promise<Operation> {
  return await plane.resources.transaction(async (tx) => {
    await markStored(plane, tx, resource, 'Creating')
    const params = { id: resource.id, keptId: kept.id, asker: onBehalfOf(request) }
    return await begin(plane.runner, tx, 'disk.keep', { resource, asker: request.caller }, params)
  })
}

/**
 * Marks work in progress on a resource, which must still be as the request found it: a resource that was moved,
 * recreated, or attached to a VM is not this request's to change.
 * @throws ServiceError Conflict
 */
export async function markStored(
  plane: Plane,
  tx: Db,
  resource: StoredDiskResource,
  state: 'Creating' | 'Updating' | 'Deleting',
  change: (current: StoredDiskResource) => void = () => {},
): Promise<void> {
  const marked = await plane.resources.change<StoredDiskInternal>(tx, resource.id, (current) => {
    const { kept, managedBy } = current.internal
    if (kept?.id !== resource.internal.kept?.id || managedBy !== resource.internal.managedBy)
      throw changedMeanwhile(resource.id)
    current.body.properties['provisioningState'] = state
    change(current)
  })
  if (marked === undefined) throw changedMeanwhile(resource.id)
}

/**
 * Begins to delete a resource with its stored disk; undefined if it has none.
 * @throws ServiceError OperationNotAllowed while it has a valid address
 */
export async function removeStored(
  plane: Plane,
  asker: OnBehalfOf,
  resource: StoredDiskResource,
): Promise<Operation | undefined> {
  const { kept } = resource.internal
  if (kept === undefined) return undefined
  const access = (await plane.host.findDisk(kept.id))?.access
  if (access !== undefined) throw givenOut(resource, access.until)
  const under = await underWay(plane.runner, resource.key)
  const deleting = under.find(({ kind }) => kind === 'disk.remove')
  if (deleting !== undefined) return deleting
  for (const { id } of under) await plane.runner.cancel(id)
  return await plane.resources.transaction(async (tx) => {
    await markStored(plane, tx, resource, 'Deleting')
    return await begin(
      plane.runner,
      tx,
      'disk.remove',
      { resource, asker },
      {
        id: resource.id,
        keptId: kept.id,
        ...(asker && { asker }),
      },
    )
  })
}

const givenOut = (resource: StoredDiskResource, until: string): ServiceError =>
  notAllowed(
    `There is an active shared access signature outstanding for disk ${resource.name}. Call EndGetAccess on the ` +
      'disk before deleting or changing it.',
    {
      target: resource.id,
      expected: 'no valid address',
      found: `one valid until ${until}`,
      remedy: 'Revoke it: az disk revoke-access, or az snapshot revoke-access.',
    },
  )
