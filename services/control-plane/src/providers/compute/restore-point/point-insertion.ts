import { ServiceError, type Operation } from '@strongroom/platform'
import { begin } from '../../../arm/operations.ts'
import { notAllowed } from '../../../arm/refusals.ts'
import { onBehalfOf } from '../../../arm/on-behalf-of.ts'
import { keyOf } from '../../../arm/resource-id.ts'
import type { ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../plane.ts'
import type { Db, Json } from '../../../store/resources.ts'
import { changedMeanwhile } from '../../../types/conflicts.ts'
import type { StoredDiskInternal } from '../disk/stored/stored-disk.ts'
import type { Vm } from '../vm/vm-model.ts'
import type { PointParams } from './create-saga.ts'
import { diskPointBody } from './disk-points.ts'
import { disksWithin, pointType, type Collection, type PointInternal, type RestorePoint } from './point-model.ts'
import type { PointSource } from './sources.ts'
import { makeResource } from '../../../types/creation.ts'

/** Azure's limit, per VM over all collections. */
const mostPoints = 500

/** Writes a restore point with its disks' points and begins to copy, in one transaction. */
export async function insertPoint(
  plane: Plane,
  request: ArmRequest,
  o: { collection: Collection; vm: Vm; sources: PointSource[]; excluded: string[] },
): Promise<{ point: RestorePoint; operation: Operation }> {
  const { vm, collection } = o
  const sources = o.sources.map((source) => ({ ...source, pointId: diskPointId(plane, request.path, source) }))
  return await makeResource(plane, request, 'restore point', async (tx) => {
    const above = await plane.resources.lock(tx, collection.id)
    if (above?.body.properties['provisioningState'] !== 'Succeeded') throw changedMeanwhile(collection.id)
    // One at a time per VM, in any collection: its row is locked meanwhile.
    await plane.resources.getLocked(tx, vm.id)
    await assertRoom(plane, tx, vm)
    const now = plane.clock.now().toISOString()
    const point = await plane.resources.insert<PointInternal>(tx, {
      id: request.path,
      location: vm.location,
      body: {
        properties: {
          ...(o.excluded.length > 0 && { excludeDisks: o.excluded.map((id) => ({ id })) }),
          sourceMetadata: sourceMetadata(vm, sources),
          // At worst the state is as after a crash: the guest is not inspected.
          consistencyMode: 'CrashConsistent',
          timeCreated: now,
          provisioningState: 'Creating',
        },
      },
      internal: { vmResourceId: vm.id, vmId: vm.internal.vmId, excluded: o.excluded },
    })
    for (const { pointId, kept, id, uniqueId } of sources)
      await plane.resources.insert<StoredDiskInternal>(tx, {
        id: pointId,
        location: vm.location,
        body: diskPointBody(plane, kept, { id, uniqueId, location: vm.location }),
        internal: { kept, managedBy: '' },
      })
    const disks = sources.map(({ pointId, kept }) => ({ id: pointId, keptId: kept.id }))
    return { point, operation: await submit(plane, tx, request, point, disks) }
  })
}

/** As Azure names them: after the disk, with a unique id. */
const diskPointId = (plane: Plane, pointId: string, { name }: PointSource): string =>
  `${pointId}/diskRestorePoints/${name}_${plane.newId().toLowerCase()}`

/** @throws ServiceError Conflict while another is created for the VM; OperationNotAllowed at the limit */
async function assertRoom(plane: Plane, tx: Db, vm: Vm): Promise<void> {
  const all = await plane.resources.list<PointInternal>({ type: pointType }, tx)
  const own = all.filter(
    ({ internal }) => keyOf(internal.vmResourceId) === vm.key && internal.vmId === vm.internal.vmId,
  )
  const making = own.find(({ body }) => body.properties['provisioningState'] === 'Creating')
  if (making !== undefined)
    throw new ServiceError({
      code: 'Conflict',
      message: `A restore point of the virtual machine '${vm.name}' is being created: concurrent creation of restore points of a virtual machine is not supported.`,
      target: vm.id,
      expected: 'no restore point being created',
      found: making.id,
      remedy: 'Wait until it is created: az restore-point wait --created.',
    })
  if (own.length >= mostPoints)
    throw notAllowed(
      `The number of restore points across restore point collections and resource groups for a VM cannot exceed ${mostPoints}. To create a new restore point, please delete existing restore points.`,
      {
        target: vm.id,
        expected: `at most ${mostPoints}`,
        found: String(own.length),
        remedy: 'Delete restore points that are no longer needed: az restore-point delete.',
      },
    )
}

/** The VM as shown, with the location of each disk's copy. */
function sourceMetadata(vm: Vm, sources: { pointId: string; id: string }[]): Json {
  const { hardwareProfile, securityProfile, osProfile, diagnosticsProfile, storageProfile, vmId } = vm.body.properties
  const { osDisk, dataDisks } = storageProfile as { osDisk: ShownDisk; dataDisks: ShownDisk[] }
  const pointOf = new Map(sources.map(({ id, pointId }) => [keyOf(id), pointId]))
  const shown = (disk: ShownDisk): Json => {
    const { createOption: _, deleteOption: __, toBeDetached: ___, sourceResource: ____, ...rest } = disk
    const point = pointOf.get(keyOf(disk.managedDisk.id))
    return { ...rest, ...(point !== undefined && { diskRestorePoint: { id: point } }) }
  }
  const taken = dataDisks.filter((disk) => pointOf.has(keyOf(disk.managedDisk.id)))
  return {
    vmId,
    location: vm.location,
    hyperVGeneration: 'V2',
    hardwareProfile,
    ...(securityProfile !== undefined && { securityProfile }),
    ...(osProfile !== undefined && { osProfile }),
    ...(diagnosticsProfile !== undefined && { diagnosticsProfile }),
    storageProfile: { osDisk: shown(osDisk), dataDisks: taken.map(shown) },
  }
}

type ShownDisk = Json & { managedDisk: { id: string } }

/** A repeated request for a restore point whose copies failed: retries them. */
export async function repeatPoint(
  plane: Plane,
  request: ArmRequest,
  { id, createdAt }: RestorePoint,
): Promise<{ point: RestorePoint; operation: Operation }> {
  return await plane.resources.transaction(async (tx) => {
    const changed = await plane.resources.change<PointInternal>(tx, id, (point) => {
      if (point.createdAt !== createdAt || point.body.properties['provisioningState'] !== 'Failed')
        throw changedMeanwhile(id)
      point.body.properties['provisioningState'] = 'Creating'
    })
    if (changed === undefined) throw changedMeanwhile(id)
    const within = await disksWithin(plane, changed, tx)
    const disks = within.flatMap((each) =>
      each.internal.kept === undefined ? [] : [{ id: each.id, keptId: each.internal.kept.id }],
    )
    return { point: changed, operation: await submit(plane, tx, request, changed, disks) }
  })
}

const submit = async (
  plane: Plane,
  tx: Db,
  request: ArmRequest,
  point: RestorePoint,
  disks: PointParams['disks'],
): Promise<Operation> =>
  await begin<PointParams>(plane.runner, tx, 'restorePoint.create', point, request.caller, {
    id: point.id,
    createdAt: point.createdAt,
    disks,
    asker: onBehalfOf(request),
  })
