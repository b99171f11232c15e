import { expect } from 'vitest'
import { sshKeyData } from './keys.ts'
import type { About, Call, Conversation, Json } from './replay.ts'

const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
const location = 'westeurope'

/** As compiled by Bicep: a module is a nested deployment that sees only its own parameters. */
const module = (name: string, parameters: object, template: object, more: object = {}): object => ({
  type: 'Microsoft.Resources/deployments',
  apiVersion: '2022-09-01',
  name,
  ...more,
  properties: {
    expressionEvaluationOptions: { scope: 'inner' },
    mode: 'Incremental',
    parameters: Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, { value }])),
    template,
  },
})

/** Each module reports its use to Microsoft by an empty deployment with a unique name. */
const telemetry = (module: string): object => ({
  condition: "[parameters('enableTelemetry')]",
  type: 'Microsoft.Resources/deployments',
  apiVersion: '2024-03-01',
  name:
    `[format('46d3xbcp.res.${module}.{0}.{1}', replace('-..--..-', '.', '-'), ` +
    "substring(uniqueString(deployment().name, parameters('location')), 0, 4))]",
  properties: {
    mode: 'Incremental',
    template: {
      $schema: schema,
      contentVersion: '1.0.0.0',
      resources: [],
      outputs: { telemetry: { type: 'String', value: 'For more information, see https://aka.ms/avm/TelemetryInfo' } },
    },
  },
})

/** The form of Azure Verified Modules: custom types, resources by symbolic names, omitted values are null. */
const verified = (
  kind: string,
  definitions: object,
  parameters: object,
  resources: object,
  outputs: object,
): object => ({
  $schema: schema,
  languageVersion: '2.0',
  contentVersion: '1.0.0.0',
  metadata: { name: kind },
  definitions: {
    lockType: {
      type: 'object',
      properties: {
        name: { type: 'string', nullable: true },
        kind: { type: 'string', allowedValues: ['CanNotDelete', 'None', 'ReadOnly'], nullable: true },
      },
    },
    ...definitions,
  },
  parameters: {
    location: { type: 'string', defaultValue: '[resourceGroup().location]' },
    tags: { type: 'object', nullable: true },
    lock: { $ref: '#/definitions/lockType', nullable: true },
    enableTelemetry: { type: 'bool', defaultValue: true },
    ...parameters,
  },
  resources: { avmTelemetry: telemetry(kind), ...resources },
  outputs: { resourceGroupName: { type: 'string', value: '[resourceGroup().name]' }, ...outputs },
})

const network = verified(
  'network-virtualnetwork',
  {
    subnetType: {
      type: 'object',
      properties: { name: { type: 'string' }, addressPrefix: { type: 'string', nullable: true } },
    },
  },
  {
    name: { type: 'string' },
    addressPrefixes: { type: 'array' },
    subnets: { type: 'array', items: { $ref: '#/definitions/subnetType' }, nullable: true },
  },
  {
    virtualNetwork: {
      type: 'Microsoft.Network/virtualNetworks',
      apiVersion: '2024-05-01',
      name: "[parameters('name')]",
      location: "[parameters('location')]",
      tags: "[parameters('tags')]",
      properties: { addressSpace: { addressPrefixes: "[parameters('addressPrefixes')]" } },
    },
    virtualNetwork_subnets: {
      copy: {
        name: 'virtualNetwork_subnets',
        count: "[length(coalesce(parameters('subnets'), createArray()))]",
        mode: 'serial',
        batchSize: 1,
      },
      type: 'Microsoft.Network/virtualNetworks/subnets',
      apiVersion: '2024-05-01',
      name: "[format('{0}/{1}', parameters('name'), coalesce(parameters('subnets'), createArray())[copyIndex()].name)]",
      properties: {
        addressPrefix: "[tryGet(coalesce(parameters('subnets'), createArray())[copyIndex()], 'addressPrefix')]",
      },
      dependsOn: ['virtualNetwork'],
    },
  },
  {
    subnetResourceIds: {
      type: 'array',
      copy: {
        count: "[length(coalesce(parameters('subnets'), createArray()))]",
        input:
          "[resourceId('Microsoft.Network/virtualNetworks/subnets', parameters('name'), " +
          "coalesce(parameters('subnets'), createArray())[copyIndex()].name)]",
      },
    },
  },
)

const machine = verified(
  'compute-virtualmachine',
  {
    nicConfigurationType: {
      type: 'object',
      properties: {
        nicSuffix: { type: 'string', nullable: true },
        deleteOption: { type: 'string', allowedValues: ['Delete', 'Detach'], nullable: true },
        ipConfigurations: { type: 'array' },
      },
      additionalProperties: { type: 'object' },
    },
  },
  {
    name: { type: 'string', maxLength: 64 },
    adminUsername: { type: 'securestring' },
    publicKeys: { type: 'array', defaultValue: [] },
    vmSize: { type: 'string' },
    securityType: { type: 'string', defaultValue: '', allowedValues: ['', 'TrustedLaunch', 'ConfidentialVM'] },
    securityEncryptionType: { type: 'string', nullable: true },
    imageReference: { type: 'object' },
    nicConfigurations: { type: 'array', items: { $ref: '#/definitions/nicConfigurationType' } },
    availabilityZone: { type: 'int', allowedValues: [-1, 1, 2, 3], defaultValue: -1 },
    provisionVMAgent: { type: 'bool', defaultValue: true },
  },
  {
    nic: {
      copy: { name: 'nic', count: "[length(parameters('nicConfigurations'))]" },
      type: 'Microsoft.Network/networkInterfaces',
      apiVersion: '2024-05-01',
      name:
        "[format('{0}{1}', parameters('name'), coalesce(tryGet(parameters('nicConfigurations')[copyIndex()], " +
        "'nicSuffix'), format('-nic-{0}', padLeft(copyIndex(1), 2, '0'))))]",
      location: "[parameters('location')]",
      properties: {
        copy: [
          {
            name: 'ipConfigurations',
            count: "[length(parameters('nicConfigurations')[copyIndex()].ipConfigurations)]",
            input: {
              name:
                "[coalesce(tryGet(parameters('nicConfigurations')[copyIndex('nic')].ipConfigurations[copyIndex('ipCo" +
                "nfigurations')], 'name'), 'ipconfig')]",
              properties: {
                primary: "[if(equals(copyIndex('ipConfigurations'), 0), true(), false())]",
                subnet: {
                  id:
                    "[parameters('nicConfigurations')[copyIndex('nic')].ipConfigurations[copyIndex('ipConfigurations" +
                    "')].subnetResourceId]",
                },
              },
            },
          },
        ],
      },
    },
    vm: {
      type: 'Microsoft.Compute/virtualMachines',
      apiVersion: '2024-07-01',
      name: "[parameters('name')]",
      location: "[parameters('location')]",
      tags: "[parameters('tags')]",
      zones:
        "[if(not(equals(parameters('availabilityZone'), -1)), array(string(parameters('availabilityZone'))), null())]",
      properties: {
        hardwareProfile: { vmSize: "[parameters('vmSize')]" },
        securityProfile:
          "[shallowMerge(createArray(if(equals(parameters('securityType'), ''), createObject(), " +
          "createObject('securityType', parameters('securityType'))), createObject('encryptionAtHost', false(), " +
          "'uefiSettings', createObject('secureBootEnabled', true(), 'vTpmEnabled', true()))))]",
        storageProfile: {
          imageReference: "[parameters('imageReference')]",
          osDisk: {
            createOption: 'FromImage',
            deleteOption: 'Delete',
            managedDisk: {
              storageAccountType: 'Premium_LRS',
              securityProfile: {
                securityEncryptionType:
                  "[if(equals(parameters('securityType'), 'ConfidentialVM'), parameters('securityEncryptionType'), null())]",
              },
            },
          },
          dataDisks: [],
        },
        osProfile: {
          computerName: "[parameters('name')]",
          adminUsername: "[parameters('adminUsername')]",
          allowExtensionOperations: true,
          linuxConfiguration: {
            disablePasswordAuthentication: true,
            provisionVMAgent: "[parameters('provisionVMAgent')]",
            ssh: { publicKeys: "[parameters('publicKeys')]" },
          },
        },
        networkProfile: {
          copy: [
            {
              name: 'networkInterfaces',
              count: "[length(parameters('nicConfigurations'))]",
              input: {
                properties: {
                  deleteOption:
                    "[coalesce(tryGet(parameters('nicConfigurations')[copyIndex('networkInterfaces')], 'deleteOption'), 'Delete')]",
                  primary: "[if(equals(copyIndex('networkInterfaces'), 0), true(), false())]",
                },
                id:
                  "[resourceId('Microsoft.Network/networkInterfaces', format('{0}{1}', parameters('name'), " +
                  "coalesce(tryGet(parameters('nicConfigurations')[copyIndex('networkInterfaces')], 'nicSuffix'), " +
                  "format('-nic-{0}', padLeft(copyIndex('networkInterfaces', 1), 2, '0')))))]",
              },
            },
          ],
        },
        priority: 'Regular',
      },
      dependsOn: ['nic'],
    },
    vm_lock: {
      condition:
        "[and(not(empty(coalesce(parameters('lock'), createObject()))), not(equals(tryGet(parameters('lock'), 'kind'), 'None')))]",
      type: 'Microsoft.Authorization/locks',
      apiVersion: '2020-05-01',
      scope: "[resourceId('Microsoft.Compute/virtualMachines', parameters('name'))]",
      name: "[coalesce(tryGet(parameters('lock'), 'name'), format('lock-{0}', parameters('name')))]",
      properties: { level: "[coalesce(tryGet(parameters('lock'), 'kind'), '')]", notes: 'Cannot delete resource.' },
      dependsOn: ['vm'],
    },
  },
  {
    resourceId: { type: 'string', value: "[resourceId('Microsoft.Compute/virtualMachines', parameters('name'))]" },
    vmLocation: { type: 'string', value: "[reference('vm', '2024-07-01', 'full').location]" },
  },
)

/** Our template with both modules, as `az deployment group create` sends it after Bicep's compilation. */
function calls(o: About): Call[] {
  const template = {
    $schema: schema,
    languageVersion: '2.0',
    contentVersion: '1.0.0.0',
    resources: {
      net: module(
        'net',
        {
          name: 'avm-net',
          addressPrefixes: ['10.2.0.0/16'],
          subnets: [{ name: 'front', addressPrefix: '10.2.0.0/24' }],
        },
        network,
      ),
      vm: module(
        'vm',
        {
          name: 'avmvm',
          adminUsername: 'azureuser',
          publicKeys: [{ keyData: sshKeyData, path: '/home/azureuser/.ssh/authorized_keys' }],
          vmSize: 'Standard_DC2as_v5',
          securityType: 'ConfidentialVM',
          securityEncryptionType: 'DiskWithVMGuestState',
          imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
          nicConfigurations: [
            { ipConfigurations: [{ subnetResourceId: "[reference('net').outputs.subnetResourceIds.value[0]]" }] },
          ],
          lock: { kind: 'CanNotDelete' },
        },
        machine,
        { dependsOn: ['net'] },
      ),
    },
    outputs: { vm: { type: 'string', value: "[reference('vm').outputs.resourceId.value]" } },
  }
  const path = `${o.group}/providers/Microsoft.Resources/deployments/main`
  const version = '2024-11-01'
  const body = { properties: { mode: 'Incremental', template, parameters: {} } }
  const vm = `${o.group}/providers/Microsoft.Compute/virtualMachines/avmvm`
  const succeeded = (found: Json): void => {
    expect(found.properties.provisioningState, JSON.stringify(found.properties.error)).toBe('Succeeded')
    expect(found.properties.outputs.vm.value).toBe(vm)
  }
  const lock = `${vm}/providers/Microsoft.Authorization/locks/lock-avmvm`
  return [
    { method: 'PUT', path: o.group, version: '2024-03-01', body: { location }, status: [200, 201] },
    { method: 'POST', path: `${path}/validate`, version, body, status: [200] },
    { method: 'PUT', path, version, body, status: [200, 201], polls: true },
    { method: 'GET', path, version, status: [200], check: succeeded },
    // The same again changes nothing.
    { method: 'PUT', path, version, body, status: [200, 201], polls: true },
    { method: 'GET', path, version, status: [200], check: succeeded },
    { method: 'DELETE', path: vm, version: '2024-07-01', status: [409] },
    { method: 'DELETE', path: lock, version: '2020-05-01', status: [200, 204] },
    { method: 'DELETE', path: o.group, version: '2024-03-01', status: [200, 202], polls: true },
  ]
}

export const verifiedModules: Conversation[] = [{ name: 'Bicep with Azure Verified Modules', calls }]
