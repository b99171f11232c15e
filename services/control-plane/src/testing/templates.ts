import { group, type Loose } from './test-plane.ts'

export const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
/** A template with these resources, a list or a map of symbolic names. */
export const template = (resources: Loose, more: object = {}): Loose => ({
  $schema: schema,
  contentVersion: '1.0.0.0',
  resources,
  ...more,
})
export const deploymentPath = (name: string = 'd1'): string =>
  `${group}/providers/Microsoft.Resources/deployments/${name}`
export const address = (name: string, more: object = {}): Loose => ({
  type: 'Microsoft.Network/publicIPAddresses',
  apiVersion: '2023-09-01',
  name,
  location: '[resourceGroup().location]',
  ...more,
})
export const network = (name: string, prefix: string, more: object = {}): Loose => ({
  type: 'Microsoft.Network/virtualNetworks',
  apiVersion: '2023-09-01',
  name,
  location: 'westeurope',
  properties: {
    addressSpace: { addressPrefixes: [prefix] },
    subnets: [{ name: 's', properties: { addressPrefix: prefix } }],
  },
  ...more,
})
export const deploymentBody = (t: Loose, more: object = {}): Loose => ({
  properties: { mode: 'Incremental', template: t, ...more },
})
