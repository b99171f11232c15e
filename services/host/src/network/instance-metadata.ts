import type { InstanceSpec } from '@strongroom/contract'

/** Answer of Azure's instance metadata service at /metadata/instance; flags are strings there. */
export function instanceMetadata(spec: InstanceSpec, subscriptionId: string): Record<string, unknown> {
  const resourceGroupName = /\/resourceGroups\/([^/]+)\//i.exec(spec.resourceId)?.[1] ?? ''
  return {
    compute: {
      azEnvironment: 'AzurePublicCloud',
      location: spec.region,
      name: spec.name,
      osType: 'Linux',
      osProfile: {
        adminUsername: spec.osProfile.adminUsername,
        computerName: spec.osProfile.computerName,
        disablePasswordAuthentication: 'true',
      },
      publicKeys: spec.osProfile.sshPublicKeys.map((keyData) => ({
        keyData,
        path: `/home/${spec.osProfile.adminUsername}/.ssh/authorized_keys`,
      })),
      resourceGroupName,
      resourceId: spec.resourceId,
      securityProfile: {
        encryptionAtHost: 'false',
        secureBootEnabled: String(spec.security.secureBoot),
        securityType: 'ConfidentialVM',
        virtualTpmEnabled: String(spec.security.vTpm),
      },
      subscriptionId,
      tagsList: Object.entries(spec.tags).map(([name, value]) => ({ name, value })),
      tags: Object.entries(spec.tags)
        .map(([name, value]) => `${name}:${value}`)
        .join(';'),
      vmId: spec.vmId.toLowerCase(),
      vmSize: spec.size.name,
    },
    network: {
      interface: [
        {
          ipv4: { ipAddress: [{ privateIpAddress: spec.network.privateIpAddress, publicIpAddress: '' }], subnet: [] },
          ipv6: { ipAddress: [] },
          macAddress: spec.network.macAddress.replaceAll(/[:-]/g, '').toUpperCase(),
        },
      ],
    },
  }
}
