import type { ImageReference } from '@strongroom/contract'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { apiVersions, type ArmClient, type OnSteps } from '../client/arm.ts'

export interface VmRequest {
  name: string
  group: string
  size: string
  /** ConfidentialVM where it is absent. */
  securityType?: string
  encryption: string
  secureBoot: boolean
  image: string
  adminUsername: string
  sshPublicKeys: string[]
  /** Resource id; the provider that the region shares where it is absent. */
  attestationProvider?: string
  systemAssigned?: boolean
  /** Base64. */
  customData?: string
  /** Base64. */
  userData?: string
  /** Resource id of a disk-encryption set; the platform's key alone where it is absent. */
  diskEncryptionSet?: string
}

export const defaultGroup = 'strongroom'
export const defaultAdmin = 'azureuser'
export const referenceImage = 'Strongroom:debian-13:cvm:latest'
export const sizeFor = (tee: string): string => {
  if (tee === 'snp') return 'Standard_DC2as_v5'
  if (tee === 'tdx') return 'Standard_DC2es_v5'
  throw new CliError({
    code: 'InvalidArgument',
    message: `There is no TEE '${tee}'.`,
    expected: 'snp or tdx',
    found: tee,
    remedy: 'Use --tee snp or --tee tdx.',
    exitCode: exitCodes.usage,
  })
}

export const groupPath = (arm: ArmClient, group: string): string => `${arm.subscription}/resourceGroups/${group}`
export const vmPath = (arm: ArmClient, group: string, name: string): string =>
  `${groupPath(arm, group)}/providers/Microsoft.Compute/virtualMachines/${name}`

/** Of a URN or a resource id. @throws CliError InvalidArgument */
export function imageReference(image: string): ImageReference {
  if (image.startsWith('/')) return { id: image }
  const [publisher, offer, sku, version = 'latest'] = image.split(':')
  if (publisher === undefined || offer === undefined || sku === undefined) {
    throw new CliError({
      code: 'InvalidArgument',
      message: `'${image}' is not an image.`,
      expected: 'publisher:offer:sku:version, or a resource id',
      found: image,
      remedy: 'List images with `strongroom image list`.',
      exitCode: exitCodes.usage,
    })
  }
  return { publisher, offer, sku, version }
}

/** Puts the resources a VM needs and the VM itself, as `az vm create` does. */
export async function createVm(arm: ArmClient, request: VmRequest, onSteps?: OnSteps): Promise<void> {
  await prepareNetwork(arm, request)
  await arm.run('PUT', vmPath(arm, request.group, request.name), apiVersions.compute, vmBody(arm, request), onSteps)
}

/** Group, network, security group, address and network interface. */
export async function prepareNetwork(arm: ArmClient, request: Pick<VmRequest, 'name' | 'group'>): Promise<void> {
  const group = groupPath(arm, request.group)
  const location = arm.region
  const network = `${group}/providers/Microsoft.Network`
  await arm.send('PUT', group, apiVersions.resources, { location })
  await arm.run('PUT', `${network}/networkSecurityGroups/${request.name}NSG`, apiVersions.network, {
    location,
    properties: {
      securityRules: [
        {
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
        },
      ],
    },
  })
  const networks = await arm.get<{ value: unknown[] }>(`${network}/virtualNetworks`, apiVersions.network)
  if (networks.value.length === 0) {
    await arm.run('PUT', `${network}/virtualNetworks/${request.group}VNET`, apiVersions.network, {
      location,
      properties: {
        addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
        subnets: [{ name: 'default', properties: { addressPrefix: '10.0.0.0/24' } }],
      },
    })
  }
  await arm.run('PUT', `${network}/publicIPAddresses/${request.name}PublicIP`, apiVersions.network, {
    location,
    sku: { name: 'Standard' },
    properties: { publicIPAllocationMethod: 'Static' },
  })
  await arm.run('PUT', `${network}/networkInterfaces/${request.name}VMNic`, apiVersions.network, {
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
}

export function vmBody(arm: ArmClient, request: VmRequest): unknown {
  const network = `${groupPath(arm, request.group)}/providers/Microsoft.Network`
  const type = request.securityType ?? 'ConfidentialVM'
  return {
    location: arm.region,
    ...(request.systemAssigned === true && { identity: { type: 'SystemAssigned' } }),
    properties: {
      hardwareProfile: { vmSize: request.size },
      ...(type !== 'Standard' && {
        securityProfile: {
          securityType: type,
          uefiSettings: { secureBootEnabled: request.secureBoot, vTpmEnabled: true },
          ...(request.attestationProvider !== undefined && {
            attestationProvider: { id: request.attestationProvider },
          }),
        },
      }),
      ...(request.userData !== undefined && { userData: request.userData }),
      storageProfile: {
        imageReference: imageReference(request.image),
        osDisk: {
          createOption: 'FromImage',
          deleteOption: 'Delete',
          ...(type === 'ConfidentialVM' && {
            managedDisk: {
              securityProfile: {
                securityEncryptionType: request.encryption,
                ...(request.diskEncryptionSet !== undefined && {
                  diskEncryptionSet: { id: request.diskEncryptionSet },
                }),
              },
            },
          }),
        },
      },
      osProfile: {
        computerName: request.name,
        adminUsername: request.adminUsername,
        ...(request.customData !== undefined && { customData: request.customData }),
        linuxConfiguration: {
          disablePasswordAuthentication: true,
          ssh: {
            publicKeys: request.sshPublicKeys.map((keyData) => ({
              path: `/home/${request.adminUsername}/.ssh/authorized_keys`,
              keyData,
            })),
          },
        },
      },
      networkProfile: {
        networkInterfaces: [
          { id: `${network}/networkInterfaces/${request.name}VMNic`, properties: { deleteOption: 'Delete' } },
        ],
      },
    },
  }
}
