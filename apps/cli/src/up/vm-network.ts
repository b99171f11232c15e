import { apiVersions, type ArmClient } from '../client/arm.ts'

export const groupPath = (arm: ArmClient, group: string): string => `${arm.subscription}/resourceGroups/${group}`

/** Marks an address or a security group as created with a VM, and deleted with it. */
const madeWith = 'strongroom-made-with'

/**
 * Group, network, security group, address and network interface. Existing ones are used as they are: their rules, tags and
 * addresses may be somebody's.
 * @returns ARM ids of the created ones, in order
 */
export async function prepareNetwork(arm: ArmClient, request: { name: string; group: string }): Promise<string[]> {
  const group = groupPath(arm, request.group)
  const location = arm.region
  const network = `${group}/providers/Microsoft.Network`
  const tags = { [madeWith]: request.name }
  const made: string[] = []
  const put = async (path: string, apiVersion: string, body: object): Promise<void> => {
    const created = await arm.create(path, apiVersion, body)
    if (created === undefined) return
    made.push(path)
    await arm.follow(created)
  }
  try {
    await put(group, apiVersions.resources, { location })
    await put(`${network}/networkSecurityGroups/${request.name}NSG`, apiVersions.network, {
      location,
      tags,
      properties: { securityRules: [allowSsh] },
    })
    const networks = await arm.get<{ value: unknown[] }>(`${network}/virtualNetworks`, apiVersions.network)
    if (networks.value.length === 0) {
      await put(`${network}/virtualNetworks/${request.group}VNET`, apiVersions.network, {
        location,
        properties: {
          addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
          subnets: [{ name: 'default', properties: { addressPrefix: '10.0.0.0/24' } }],
        },
      })
    }
    await put(`${network}/publicIPAddresses/${request.name}PublicIP`, apiVersions.network, {
      location,
      tags,
      sku: { name: 'Standard' },
      properties: { publicIPAllocationMethod: 'Static' },
    })
    await put(`${network}/networkInterfaces/${request.name}VMNic`, apiVersions.network, {
      location,
      properties: {
        networkSecurityGroup: { id: `${network}/networkSecurityGroups/${request.name}NSG` },
        ipConfigurations: [
          {
            name: `ipconfig${request.name}`,
            properties: {
              subnet: { id: `${network}/virtualNetworks/${request.group}VNET/subnets/default` },
              publicIPAddress: { id: `${network}/publicIPAddresses/${request.name}PublicIP` },
            },
          },
        ],
      },
    })
  } catch (error) {
    await takeBack(arm, made)
    throw error
  }
  return made
}

const allowSsh = {
  name: 'default-allow-ssh',
  properties: {
    priority: 1000,
    protocol: 'Tcp',
    direction: 'Inbound',
    access: 'Allow',
    sourceAddressPrefix: '*',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '22',
  },
}

const isGroup = (path: string): boolean => path.split('/').length === 5

function versionOf(path: string): string {
  if (isGroup(path)) return apiVersions.resources
  return path.includes('/Microsoft.Compute/') ? apiVersions.compute : apiVersions.network
}

/** Deletes what `prepareNetwork` created, the last first. What cannot be deleted stays: the original error is reported, not this one. */
export async function takeBack(arm: ArmClient, made: readonly string[]): Promise<void> {
  for (const path of made.toReversed()) {
    // A group is deleted with all that others have put into it since.
    if (isGroup(path) && !(await isEmpty(arm, path))) continue
    await arm.run('DELETE', path, versionOf(path)).catch(() => undefined)
  }
}

async function isEmpty(arm: ArmClient, group: string): Promise<boolean> {
  const found = await arm.list(`${group}/resources`, apiVersions.resources).catch(() => undefined)
  return found?.length === 0
}

/** After a VM is deleted: removes its address and security group, if `prepareNetwork` created them for it and nothing else uses them. */
export async function removeLeftovers(arm: ArmClient, vmPath: string): Promise<void> {
  const [group, name = ''] = [vmPath.split('/').slice(0, 5).join('/'), vmPath.split('/').at(-1)]
  const network = `${group}/providers/Microsoft.Network`
  for (const path of [`${network}/publicIPAddresses/${name}PublicIP`, `${network}/networkSecurityGroups/${name}NSG`]) {
    const found = await arm.get<{ tags?: Record<string, string> }>(path, apiVersions.network).catch(() => undefined)
    if (found?.tags?.[madeWith]?.toLowerCase() === name.toLowerCase()) await takeBack(arm, [path])
  }
}
