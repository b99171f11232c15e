import { ServiceError } from '@strongroom/platform'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { resourceView } from '../arm/resource-view.ts'
import type { Route } from '../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import { diskType } from './vm-model.ts'

interface DiskInternal {
  managedBy: string
}

/** OS disks as resources: made and deleted with their VMs, never apart from them. */
export function diskRoutes(plane: Plane): Route[] {
  const base = `${groupPath}/providers/${diskType}`
  const list =
    (byGroup: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      if (byGroup) await plane.resources.requireGroup(request.path)
      const disks = await plane.resources.list<DiskInternal>({
        type: diskType,
        ...(byGroup && { groupId: request.path }),
      })
      return ok({
        value: disks.map((disk) => ({ ...resourceView(disk as never, diskType), managedBy: disk.internal.managedBy })),
      })
    }
  return [
    { method: 'GET', path: base, action: `${diskType}/read`, handle: list(true) },
    {
      method: 'GET',
      path: `${subscriptionPath}/providers/${diskType}`,
      action: `${diskType}/read`,
      handle: list(false),
    },
    {
      method: 'GET',
      path: `${base}/{name}`,
      action: `${diskType}/read`,
      handle: async (request) => {
        const disk = await plane.resources.get<DiskInternal>(request.path)
        return ok({ ...resourceView(disk as never, diskType), managedBy: disk.internal.managedBy })
      },
    },
    {
      method: 'PUT',
      path: `${base}/{name}`,
      action: `${diskType}/write`,
      handle: async () => {
        throw new ServiceError({
          code: 'OperationNotAllowed',
          status: 409,
          message: 'Disks are made with their VMs: a data disk could not be attached in this installation.',
          remedy: 'Create a virtual machine.',
        })
      },
    },
    {
      method: 'DELETE',
      path: `${base}/{name}`,
      action: `${diskType}/delete`,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const disk = await plane.resources.find<DiskInternal>(request.path)
        if (disk === undefined) return { status: 204 }
        throw new ServiceError({
          code: 'OperationNotAllowed',
          status: 409,
          message: `Disk ${disk.name} is attached to VM ${disk.internal.managedBy}.`,
          found: disk.internal.managedBy,
          remedy: 'Delete the virtual machine: its disk goes with it.',
        })
      },
    },
  ]
}
