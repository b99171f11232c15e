import { describe, expect, it } from 'vitest'
import { substituteAt, substituteFor } from './substitutes.ts'

/** Azure's most used types that this installation lacks. */
const types = `
Microsoft.Compute/proximityPlacementGroups
Microsoft.Compute/hostGroups Microsoft.Compute/restorePointCollections Microsoft.Compute/diskAccesses
Microsoft.Compute/galleries/applications Microsoft.RecoveryServices/vaults Microsoft.DataProtection/backupVaults
Microsoft.Storage/storageAccounts Microsoft.ContainerInstance/containerGroups Microsoft.ContainerService/managedClusters
Microsoft.ContainerRegistry/registries Microsoft.ConfidentialLedger/ledgers Microsoft.Network/bastionHosts
Microsoft.Network/applicationGateways Microsoft.Network/natGateways
Microsoft.Network/privateEndpoints Microsoft.Network/privateDnsZones Microsoft.Network/routeTables
Microsoft.Network/virtualNetworkGateways Microsoft.Network/virtualNetworks/virtualNetworkPeerings
Microsoft.Network/applicationSecurityGroups Microsoft.OperationalInsights/workspaces Microsoft.Insights/components
Microsoft.Insights/metricAlerts Microsoft.Insights/diagnosticSettings Microsoft.Sql/servers
Microsoft.DBforPostgreSQL/flexibleServers Microsoft.DocumentDB/databaseAccounts Microsoft.Web/sites
Microsoft.MarketplaceOrdering/agreements Microsoft.MarketplaceOrdering/offerTypes
Microsoft.Consumption/budgets Microsoft.CostManagement/alerts Strongroom.Billing/focusExport
Microsoft.App/containerApps Microsoft.Automation/automationAccounts Microsoft.Resources/deploymentScripts Microsoft.Resources/tagNames
`
  .trim()
  .split(/\s+/)
const group = '/subscriptions/s/resourceGroups/g'

describe('a type that is not offered', () => {
  it.each(types)('has a hint, in any case, for what lies within it, and in paths: %s', (type) => {
    const hint = substituteFor(type)
    expect(hint).toMatch(/^[A-Z].*\.$/)
    expect([substituteFor(type.toUpperCase()), substituteFor(`${type}/inner/deeper`)]).toEqual([hint, hint])
    expect(substituteFor(`${type}X`)).toBeUndefined()
    const [namespace, ...rest] = type.split('/')
    const one = `${group}/providers/${namespace}/${rest.map((part) => `${part}/name`).join('/')}`
    expect([substituteAt(one), substituteAt(one.replace(/\/name$/, ''))]).toEqual([hint, hint])
  })

  it('has none as a namespace alone', () => {
    for (const text of ['microsoft.network', '', 'Microsoft.Network/virtualNetworks'])
      expect(substituteFor(text)).toBeUndefined()
    for (const path of ['/x', '', group, `${group}/providers/Microsoft.Network`])
      expect(substituteAt(path)).toBeUndefined()
  })
})
