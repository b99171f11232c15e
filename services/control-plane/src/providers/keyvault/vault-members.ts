import { members, only, part, type Members } from '../../types/members.ts'

const policiesOfVault: Members = {
  tenantId: 'honoured',
  objectId: 'honoured',
  applicationId: 'honoured',
  permissions: { keys: 'honoured', secrets: 'honoured', certificates: 'honoured', storage: 'honoured' },
}

export const vaultMembers: Members = members(
  { location: 'honoured' },
  {
    tenantId: 'honoured',
    sku: { name: 'honoured', family: only('A') },
    accessPolicies: policiesOfVault,
    enabledForDeployment: 'honoured',
    enabledForDiskEncryption: 'honoured',
    enabledForTemplateDeployment: 'honoured',
    enableSoftDelete: 'honoured',
    softDeleteRetentionInDays: 'honoured',
    enableRbacAuthorization: 'honoured',
    enablePurgeProtection: 'honoured',
    createMode: 'honoured',
    publicNetworkAccess: 'honoured',
    networkAcls: {
      bypass: 'honoured',
      defaultAction: 'honoured',
      ipRules: { value: 'honoured' },
      virtualNetworkRules: 'honoured',
    },
    hsmPoolResourceId: 'shown',
    privateEndpointConnections: 'shown',
  },
)

export const accessPolicyMembers: Members = members({ tags: 'shown' }, { accessPolicies: policiesOfVault })

export const keyMembers: Members = part(
  {
    kty: 'honoured',
    keySize: 'honoured',
    curveName: 'honoured',
    keyOps: 'honoured',
    attributes: 'honoured',
    release_policy: { data: 'honoured', contentType: 'honoured', immutable: 'honoured' },
    rotationPolicy: 'honoured',
    keyUri: 'shown',
    keyUriWithVersion: 'shown',
  },
  { tags: 'honoured', location: 'shown' },
)

export const secretMembers: Members = part(
  {
    value: 'honoured',
    contentType: 'honoured',
    attributes: 'honoured',
    secretUri: 'shown',
    secretUriWithVersion: 'shown',
  },
  { tags: 'honoured', location: 'shown' },
)

export const hsmMembers: Members = members(
  {
    location: 'honoured',
    sku: { family: only('B'), name: only('Standard_B1') },
    identity: { type: only('None') },
  },
  {
    tenantId: 'honoured',
    // Afterwards its own roles say who administers it.
    initialAdminObjectIds: 'fixed',
    enableSoftDelete: only(true),
    softDeleteRetentionInDays: 'honoured',
    enablePurgeProtection: 'honoured',
    createMode: 'honoured',
    publicNetworkAccess: only('Enabled'),
    networkAcls: { bypass: only('AzureServices'), defaultAction: only('Allow') },
    hsmUri: 'shown',
    statusMessage: 'shown',
    scheduledPurgeDate: 'shown',
    securityDomainProperties: 'shown',
    privateEndpointConnections: 'shown',
  },
)
