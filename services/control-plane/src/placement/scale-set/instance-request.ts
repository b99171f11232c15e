import type { Json } from '../../store/resources.ts'
import { groupOf, nameOf, type InstanceModel, type InstanceName } from './instance-model.ts'
import { isJson, objectAt, without } from './members.ts'
import { networkRequests, type NetworkRequest } from './network-requests.ts'

/** The request that creates a VM from the profile: the profile itself, plus what is specific to one VM. */
export function instanceRequest(model: InstanceModel, name: InstanceName, interfaces: readonly NetworkRequest[]): Json {
  const { profile } = model
  const os = objectAt(profile, 'osProfile')
  const storage = objectAt(profile, 'storageProfile')
  const prefix = Object.entries(os).find(([member]) => member.toLowerCase() === 'computernameprefix')?.[1]
  return {
    location: model.location,
    tags: model.tags,
    ...(name.zone !== undefined && { zones: [name.zone] }),
    ...(model.identity !== undefined && { identity: model.identity }),
    properties: {
      ...without(profile, ['hardwareProfile', 'networkProfile', 'osProfile', 'storageProfile']),
      hardwareProfile: { ...objectAt(profile, 'hardwareProfile'), vmSize: model.vmSize },
      storageProfile: {
        ...without(storage, ['osDisk', 'dataDisks']),
        osDisk: {
          createOption: 'FromImage',
          deleteOption: 'Delete',
          ...without(objectAt(storage, 'osDisk'), ['name']),
        },
        dataDisks: dataDisksOf(storage),
      },
      osProfile: {
        ...without(os, ['computerNamePrefix', 'computerName']),
        computerName: `${typeof prefix === 'string' ? prefix : nameOf(model.id).slice(0, 9)}${name.host}`,
      },
      ...(interfaces.length > 0 && {
        networkProfile: {
          networkInterfaces: interfaces.map(({ id, primary }) => ({
            id,
            properties: { primary, deleteOption: 'Delete' },
          })),
        },
      }),
    },
  }
}

/** For a VM created in the set. Separate, because the set is judged before it exists. */
export const inSet = (request: Json, set: string): Json => ({
  ...request,
  properties: { ...objectAt(request, 'properties'), virtualMachineScaleSet: { id: set } },
})

/** Each instance has its own disks, deleted with it unless the profile keeps them. */
function dataDisksOf(storage: Json): unknown[] {
  const listed = Object.entries(storage).find(([name]) => name.toLowerCase() === 'datadisks')?.[1]
  const disks: unknown[] = Array.isArray(listed) ? listed : []
  return disks.map((disk) => (isJson(disk) ? { deleteOption: 'Delete', ...without(disk, ['name']) } : disk))
}

export const interfacesOf = (model: InstanceModel, name: InstanceName): NetworkRequest[] =>
  networkRequests(model, name, `${groupOf(model.id)}/providers/Microsoft.Network`)
