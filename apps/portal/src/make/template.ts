import type { Choice } from './choice.ts'

type Json = Record<string, unknown>

interface TemplateResource extends Json {
  type: string
  name: string
  dependsOn?: string[]
}

const id = (type: string, ...names: string[]): string =>
  `[resourceId('${type}', ${names.map((name) => `'${name}'`).join(', ')})]`
const network = 'Microsoft.Network'
const apiVersion = '2024-05-01'

/** What `az vm create` creates besides a machine, by its names. */
export const networkOf = ({ name, group }: Pick<Choice, 'name' | 'group'>) => ({
  securityGroup: `${name}NSG`,
  ruleName: 'default-allow-ssh',
  rule: {
    priority: 1000,
    protocol: 'Tcp',
    direction: 'Inbound',
    access: 'Allow',
    sourceAddressPrefix: '*',
    sourcePortRange: '*',
    destinationAddressPrefix: '*',
    destinationPortRange: '22',
  },
  network: `${group}VNET`,
  addressSpace: '10.0.0.0/16',
  subnet: 'default',
  subnetPrefix: '10.0.0.0/24',
  address: `${name}PublicIP`,
  interface: `${name}VMNic`,
  configuration: 'ipconfig',
})

/** A machine's location and properties. @param interfaceId an expression in templates */
export function machineBody(choice: Choice, interfaceId: string): { location: string; properties: Json } {
  const [publisher, offer, sku, version] = choice.image.split(':')
  const properties = {
    hardwareProfile: { vmSize: choice.size },
    securityProfile: { securityType: 'ConfidentialVM', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
    storageProfile: {
      imageReference: { publisher, offer, sku, version },
      osDisk: {
        createOption: 'FromImage',
        deleteOption: 'Delete',
        managedDisk: {
          securityProfile: {
            securityEncryptionType: choice.encryption,
            ...(choice.diskEncryptionSet !== '' && { diskEncryptionSet: { id: choice.diskEncryptionSet } }),
          },
        },
      },
    },
    osProfile: {
      computerName: choice.name,
      adminUsername: choice.adminUsername,
      linuxConfiguration: {
        disablePasswordAuthentication: true,
        ssh: {
          publicKeys: [{ path: `/home/${choice.adminUsername}/.ssh/authorized_keys`, keyData: choice.sshPublicKey }],
        },
      },
    },
    networkProfile: { networkInterfaces: [{ id: interfaceId, properties: { deleteOption: 'Delete' } }] },
    diagnosticsProfile: { bootDiagnostics: { enabled: true } },
  }
  return { location: choice.region, properties }
}

const interfaceIdOf = (choice: Choice): string => id(`${network}/networkInterfaces`, networkOf(choice).interface)

/** The resources that `az vm create` creates: a network with its rules, an address, an interface and the machine. */
function resourcesOf(choice: Choice): TemplateResource[] {
  const interfaceId = interfaceIdOf(choice)
  const machine = { type: 'Microsoft.Compute/virtualMachines', apiVersion: '2024-11-01', name: choice.name }
  const { location, properties } = machineBody(choice, interfaceId)
  return [...networkResourcesOf(choice), { ...machine, location, dependsOn: [interfaceId], properties }]
}

function networkResourcesOf(choice: Choice): TemplateResource[] {
  const { region: location } = choice
  const net = networkOf(choice)
  const groupId = id(`${network}/networkSecurityGroups`, net.securityGroup)
  const networkId = id(`${network}/virtualNetworks`, net.network)
  const addressId = id(`${network}/publicIPAddresses`, net.address)
  return [
    {
      type: `${network}/networkSecurityGroups`,
      apiVersion,
      name: net.securityGroup,
      location,
      properties: { securityRules: [{ name: net.ruleName, properties: net.rule }] },
    },
    {
      type: `${network}/virtualNetworks`,
      apiVersion,
      name: net.network,
      location,
      properties: {
        addressSpace: { addressPrefixes: [net.addressSpace] },
        subnets: [{ name: net.subnet, properties: { addressPrefix: net.subnetPrefix } }],
      },
    },
    {
      type: `${network}/publicIPAddresses`,
      apiVersion,
      name: net.address,
      location,
      sku: { name: 'Standard' },
      properties: { publicIPAllocationMethod: 'Static' },
    },
    {
      type: `${network}/networkInterfaces`,
      apiVersion,
      name: net.interface,
      location,
      dependsOn: [groupId, networkId, addressId],
      properties: {
        networkSecurityGroup: { id: groupId },
        ipConfigurations: [
          {
            name: net.configuration,
            properties: {
              subnet: { id: id(`${network}/virtualNetworks/subnets`, net.network, net.subnet) },
              publicIPAddress: { id: addressId },
            },
          },
        ],
      },
    },
  ]
}

const schema = (scope: string): string =>
  `https://schema.management.azure.com/schemas/2019-04-01/${scope}Template.json#`

const templateOf = (resources: TemplateResource[]): Json => ({
  $schema: schema('deployment'),
  contentVersion: '1.0.0.0',
  resources,
})

/** For `az deployment group create`. */
export const groupTemplate = (choice: Choice): Json => templateOf(resourcesOf(choice))

/** What the machine needs. A template would change a machine of the name; so that is a request of its own. */
export const networkTemplate = (choice: Choice): Json => templateOf(networkResourcesOf(choice))

/** The group and what is in it as one subscription deployment. */
export function deploymentBody(choice: Choice, content: Json): Json {
  const template = {
    $schema: 'https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      {
        type: 'Microsoft.Resources/resourceGroups',
        apiVersion: '2024-11-01',
        name: choice.group,
        location: choice.region,
      },
      {
        type: 'Microsoft.Resources/deployments',
        apiVersion: '2024-11-01',
        name: `make-${choice.name}`,
        resourceGroup: choice.group,
        dependsOn: [`[subscriptionResourceId('Microsoft.Resources/resourceGroups', '${choice.group}')]`],
        properties: {
          mode: 'Incremental',
          expressionEvaluationOptions: { scope: 'inner' },
          template: content,
        },
      },
    ],
  }
  return { location: choice.region, properties: { mode: 'Incremental', template } }
}

/** A shell word with any content. */
export const word = (text: string): string =>
  /^[A-Za-z0-9_.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

/** The equivalent Azure CLI commands. */
export function azCommands(choice: Choice): string {
  const [group, name, region] = [choice.group, choice.name, choice.region].map(word)
  return [
    `az group create -n ${group} -l ${region}`,
    [
      `az vm create -g ${group} -n ${name} -l ${region}`,
      `--image ${word(choice.image)} --size ${word(choice.size)}`,
      '--security-type ConfidentialVM --enable-vtpm true --enable-secure-boot true',
      `--os-disk-security-encryption-type ${word(choice.encryption)}`,
      ...(choice.diskEncryptionSet === ''
        ? []
        : [`--os-disk-secure-vm-disk-encryption-set ${word(choice.diskEncryptionSet)}`]),
      `--admin-username ${word(choice.adminUsername)} --ssh-key-values ${word(choice.sshPublicKey)}`,
    ].join(' \\\n  '),
  ].join('\n')
}

/** The equivalent Bicep, for `az deployment group create -f main.bicep`. */
export function bicepText(choice: Choice): string {
  const resources = resourcesOf(choice)
  const symbol = (type: string): string => type.slice(type.lastIndexOf('/') + 1).replace(/s$/, '')
  const symbolOf = (expression: string): string =>
    symbol(/resourceId\('([^']+)'/.exec(expression)?.[1] ?? '').replace(/Addresse$/, 'Address')
  const name = (type: string): string => symbol(type).replace(/Addresse$/, 'Address')
  return resources
    .map(({ type, apiVersion: version, dependsOn, ...rest }) => {
      const lines = Object.entries(rest).map(([key, value]) => `  ${key}: ${bicepValue(value, '  ')}`)
      if (dependsOn !== undefined)
        lines.push(`  dependsOn: [\n${dependsOn.map((each) => `    ${symbolOf(each)}`).join('\n')}\n  ]`)
      return `resource ${name(type)} '${type}@${String(version)}' = {\n${lines.join('\n')}\n}`
    })
    .join('\n\n')
}

function bicepValue(value: unknown, indent: string): string {
  const deeper = `${indent}  `
  if (typeof value === 'string') {
    const expression = /^\[(.*)\]$/s.exec(value)?.[1]
    return (
      expression ??
      `'${value
        .replaceAll('\\', '\\\\')
        .replaceAll("'", String.raw`\'`)
        .replaceAll('${', String.raw`\${`)}'`
    )
  }
  if (Array.isArray(value)) return `[\n${value.map((each) => deeper + bicepValue(each, deeper)).join('\n')}\n${indent}]`
  if (typeof value === 'object' && value !== null) {
    const lines = Object.entries(value).map(([key, each]) => `${deeper}${key}: ${bicepValue(each, deeper)}`)
    return `{\n${lines.join('\n')}\n${indent}}`
  }
  return String(value)
}
