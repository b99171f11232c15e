import { join } from 'node:path'
import { graphHost, homeRegion, managementHost, vaultHost } from '@strongroom/contract'
import { personalSshKey } from '../../../apps/cli/src/core/ssh-key.ts'
import type { PortalTest } from './portal.ts'

/** As long as its service takes, of letters that are read from right to left: all that a group's name can be beside plain letters. */
export const group: string = 'א'.repeat(90)

/** A text that somebody with rights may write, where the portal shows it. */
export interface Field {
  what: string
  /** Path of the page that shows it. */
  place: (h: Planted) => string
  /** The most characters that its service takes. */
  most: number
  put: (h: Planted, text: string, index: number) => Promise<void>
}

/** An installation in which others' texts are put. */
export interface Planted {
  portal: PortalTest
  subscription: string
  machine: string
  vault: string
  tags: Record<string, string>
  keyTags: Record<string, string>
}

/** Asks the resource manager as the owner. */
export const arm = async (h: Planted, method: string, path: string, version: string, body?: object): Promise<unknown> =>
  await h.portal.asOwner(method, managementHost, `${path}?api-version=${version}`, body)
/** Asks the directory as the owner. */
export const graph = async <Body>(h: Planted, path: string, body: object): Promise<Body> =>
  await h.portal.asOwner<Body>('POST', graphHost, `/v1.0/${path}`, body)

/** Of the machine in that group. */
export const machinePage = (): string => `/machines/${encodeURIComponent(group)}/named`
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
const authorization = (h: Planted): string => `${h.subscription}/providers/Microsoft.Authorization`

async function assign(h: Planted, principalId: string): Promise<void> {
  const properties = {
    roleDefinitionId: `${authorization(h)}/roleDefinitions/${reader}`,
    principalId,
    principalType: 'ServicePrincipal',
  }
  await arm(h, 'PUT', `${authorization(h)}/roleAssignments/${crypto.randomUUID()}`, '2022-04-01', { properties })
}

async function putRole(h: Planted, more: { roleName?: string; description?: string }): Promise<void> {
  const properties = {
    roleName: `role ${crypto.randomUUID()}`,
    type: 'CustomRole',
    assignableScopes: [h.subscription],
    permissions: [{ actions: ['Microsoft.Compute/virtualMachines/read'], notActions: [] }],
    ...more,
  }
  await arm(h, 'PUT', `${authorization(h)}/roleDefinitions/${crypto.randomUUID()}`, '2022-04-01', { properties })
}

/** Of what pages show, all that a principal other than the one who looks at it can set to more than letters, digits and `-_.()`. */
export const fields: readonly Field[] = [
  {
    what: 'the name of a tag',
    place: machinePage,
    most: 512 - 'hidden-'.length,
    put: async (h, text) => {
      // Other names may not have `<`.
      const tags = { ...h.tags, [`hidden-${text}`]: 'x' }
      await arm(h, 'PATCH', h.machine, '2024-11-01', { tags })
      h.tags = tags
    },
  },
  {
    what: 'the value of a tag',
    place: machinePage,
    most: 256,
    put: async (h, text, index) => {
      const tags = { ...h.tags, [`value${index}`]: text }
      await arm(h, 'PATCH', h.machine, '2024-11-01', { tags })
      h.tags = tags
    },
  },
  {
    what: 'the name of an application that has a role',
    place: () => '/access',
    most: 256,
    put: async (h, displayName) => {
      const { appId } = await graph<{ appId: string }>(h, 'applications', { displayName })
      await assign(h, (await graph<{ id: string }>(h, 'servicePrincipals', { appId })).id)
    },
  },
  {
    what: 'the name of a role',
    place: () => '/access',
    most: 512,
    put: async (h, roleName) => await putRole(h, { roleName }),
  },
  {
    what: 'what a role is described as',
    place: () => '/access',
    most: 10_000,
    put: async (h, description) => await putRole(h, { description }),
  },
  {
    what: 'what the operator says of a request for quota',
    place: () => '/costs',
    most: 500,
    put: async (h, message, index) => {
      const quotas = `${h.subscription}/providers/Microsoft.Compute/locations/${homeRegion.name}/providers/Microsoft.Quota/quotas`
      const limit = { limitObjectType: 'LimitValue', value: 5_000 + index }
      const { name } = (await arm(h, 'PUT', `${quotas}/cores`, '2023-02-01', { properties: { limit } })) as {
        name: string
      }
      await arm(h, 'POST', `${h.subscription}/providers/Strongroom.Quota/requests/${name}/deny`, '2023-02-01', {
        message,
      })
    },
  },
  {
    what: 'the name of a tag of a key',
    place: (h) => `/keys/${h.vault}`,
    most: 256,
    put: async (h, text) => {
      const tags = { ...h.keyTags, [text]: 'x' }
      await h.portal.asOwner('PATCH', vaultHost(h.vault), '/keys/disk?api-version=7.6', { tags })
      h.keyTags = tags
    },
  },
  {
    what: 'the value of a tag of a key',
    place: (h) => `/keys/${h.vault}`,
    most: 256,
    put: async (h, text, index) => {
      const tags = { ...h.keyTags, [`value${index}`]: text }
      await h.portal.asOwner('PATCH', vaultHost(h.vault), '/keys/disk?api-version=7.6', { tags })
      h.keyTags = tags
    },
  },
]

/** Has a machine made in a group of that name, on the network of the first one. @returns its id */
export async function beginIn(portal: PortalTest, name: string): Promise<string> {
  const ask = async <Body>(method: string, path: string, version: string, body?: object): Promise<Body> =>
    await portal.asOwner<Body>(method, managementHost, `${path}?api-version=${version}`, body)
  const location = homeRegion.name
  const subscription = await portal.subscription()
  const path = `${subscription}/resourceGroups/${encodeURIComponent(name)}`
  const subnet = {
    id: `${subscription}/resourceGroups/strongroom/providers/Microsoft.Network/virtualNetworks/strongroomVNET/subnets/default`,
  }
  await ask('PUT', path, '2024-11-01', { location })
  const properties = { ipConfigurations: [{ name: 'ipconfig1', properties: { subnet } }] }
  const nic = await ask<{ id: string }>(
    'PUT',
    `${path}/providers/Microsoft.Network/networkInterfaces/named`,
    '2024-05-01',
    { location, properties },
  )
  const machine = `${path}/providers/Microsoft.Compute/virtualMachines/named`
  const { publicText } = await personalSshKey(join(portal.installation.home, 'config/strongroom'))
  const publicKeys = [{ path: '/home/me/.ssh/authorized_keys', keyData: publicText }]
  await ask('PUT', machine, '2024-11-01', {
    location,
    properties: {
      hardwareProfile: { vmSize: 'Standard_DC2as_v5' },
      securityProfile: { securityType: 'ConfidentialVM', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
      storageProfile: {
        imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
        osDisk: {
          createOption: 'FromImage',
          managedDisk: { securityProfile: { securityEncryptionType: 'DiskWithVMGuestState' } },
        },
      },
      osProfile: {
        computerName: 'named',
        adminUsername: 'me',
        linuxConfiguration: { disablePasswordAuthentication: true, ssh: { publicKeys } },
      },
      networkProfile: { networkInterfaces: [{ id: nic.id }] },
    },
  })
  return machine
}
