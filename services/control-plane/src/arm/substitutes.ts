import { parseResourceId } from './ids/resource-id.ts'

const noTerms = 'No image here has a plan or terms: create the virtual machine without accepting any.'

/** Alternatives to types that are not offered here. */
const substitutes: readonly [type: string, instead: string][] = [
  ['Microsoft.Compute/proximityPlacementGroups', 'Omit it: an installation is in one place.'],
  ['Microsoft.Compute/hostGroups', 'Omit it: an installation’s host carries no other tenant’s VMs.'],
  [
    'Microsoft.Compute/diskAccesses',
    'Omit it: disks are exported to whoever holds an address from az disk grant-access.',
  ],
  ['Microsoft.Compute/galleries/applications', 'Install it inside the guest, or at its first boot with --custom-data.'],
  ['Microsoft.Compute/restorePointCollections', 'Copy the disks: az snapshot create --source DISK.'],
  ['Microsoft.RecoveryServices/vaults', 'Copy the disks: az snapshot create --source DISK.'],
  ['Microsoft.DataProtection/backupVaults', 'Copy the disks: az snapshot create --source DISK.'],
  [
    'Microsoft.Storage/storageAccounts',
    'Disks are uploaded and downloaded at the addresses from az disk grant-access; boot logs are stored by the platform.',
  ],
  ['Microsoft.ContainerInstance/containerGroups', 'Run the containers in a confidential VM.'],
  ['Microsoft.ContainerService/managedClusters', 'Run the cluster’s nodes as confidential VMs.'],
  ['Microsoft.ContainerRegistry/registries', 'Run a registry in a VM.'],
  [
    'Microsoft.ConfidentialLedger/ledgers',
    'The vault’s operations log is append-only and verifiable: strongroom log verify.',
  ],
  ['Microsoft.Network/bastionHosts', 'Use strongroom vm ssh, or give the VM a public address.'],
  ['Microsoft.Network/applicationGateways', 'Run a proxy in a VM.'],
  ['Microsoft.Network/natGateways', 'Leave it out: VMs reach the outside through the host.'],
  ['Microsoft.Network/privateEndpoints', 'Leave it out: VMs reach vaults and providers at their names.'],
  ['Microsoft.Network/privateDnsZones', 'Leave it out: VMs reach vaults and providers at their names.'],
  ['Microsoft.Network/routeTables', 'Leave it out: subnets of a network reach each other.'],
  ['Microsoft.Network/virtualNetworkGateways', 'Run a VPN in a VM.'],
  ['Microsoft.Network/virtualNetworks/virtualNetworkPeerings', 'Put the VMs into one network.'],
  ['Microsoft.Network/applicationSecurityGroups', 'Name address prefixes in the rules of the security group.'],
  ['Microsoft.OperationalInsights/workspaces', 'Read the activity log, and each VM’s boot log.'],
  ['Microsoft.Insights/components', 'Read the activity log, and each VM’s boot log.'],
  ['Microsoft.Insights/metricAlerts', 'Poll the VM’s instance view.'],
  [
    'Microsoft.Insights/diagnosticSettings',
    'Read the activity log at Microsoft.Insights/eventtypes/management/values.',
  ],
  ['Microsoft.Consumption/budgets', 'Compare what is spent with your limit: strongroom cost show.'],
  ['Microsoft.CostManagement/alerts', 'Compare what is spent with your limit: strongroom cost show.'],
  ['Strongroom.Billing/focusExport', 'Read the usage details: az consumption usage list --include-meter-details.'],
  ['Microsoft.MarketplaceOrdering/agreements', noTerms],
  ['Microsoft.MarketplaceOrdering/offerTypes', noTerms],
  ['Microsoft.Sql/servers', 'Run the database in a confidential VM.'],
  ['Microsoft.DBforPostgreSQL/flexibleServers', 'Run the database in a confidential VM.'],
  ['Microsoft.DocumentDB/databaseAccounts', 'Run the database in a confidential VM.'],
  ['Microsoft.Web/sites', 'Run the application in a confidential VM.'],
  ['Microsoft.App/containerApps', 'Run the application in a confidential VM.'],
  ['Microsoft.Automation/automationAccounts', 'Run it with a timer in a VM.'],
  ['Microsoft.Resources/tagNames', 'Tag what exists: az tag create --resource-id ID --tags NAME=VALUE.'],
  ['Microsoft.Resources/deploymentScripts', 'Run the script where you deploy from, or in a VM with az vm run-command.'],
]

const byType = new Map(substitutes.map(([type, instead]) => [type.toLowerCase(), instead]))

/** The alternative to a type or a nested one; undefined if there is none. */
export function substituteFor(type: string): string | undefined {
  const parts = type.toLowerCase().split('/')
  for (let length = parts.length; length > 1; length -= 1) {
    const found = byType.get(parts.slice(0, length).join('/'))
    if (found !== undefined) return found
  }
  return undefined
}

/** The type in a request's path: of its resource, or of the list it requests. */
export function substituteAt(path: string): string | undefined {
  // Tag names are the only type without a provider in its path.
  const tagNames = /^\/subscriptions\/[^/]+\/tagNames\/[^/]/i.test(path) ? 'Microsoft.Resources/tagNames' : undefined
  const type = tagNames ?? parseResourceId(path)?.type ?? parseResourceId(`${path}/x`)?.type
  return type === undefined ? undefined : substituteFor(type)
}
