/**
 * Requests of azurerm's releases of a major version, from the imports of their clients
 * (github.com/hashicorp/terraform-provider-azurerm, internal/services/{service}/client).
 */
export interface Versions {
  subscriptions: string
  providers: string
  groups: string
  network: string
  vms: string
  disks: string
  sets: string
  vaults: string
  keys: string
  attestation: string
  identities: string
  assignments: string
  galleries: string
  galleryVersions: string
  skus: string
  sshKeys: string
  availabilitySets: string
}

export const current: Versions = {
  subscriptions: '2022-12-01',
  providers: '2022-09-01',
  groups: '2023-07-01',
  network: '2025-01-01',
  vms: '2024-03-01',
  disks: '2023-04-02',
  sets: '2022-03-02',
  vaults: '2023-07-01',
  keys: '7.4',
  attestation: '2020-10-01',
  identities: '2024-11-30',
  assignments: '2022-04-01',
  galleries: '2022-03-03',
  galleryVersions: '2023-07-03',
  skus: '2021-07-01',
  sshKeys: '2024-03-01',
  availabilitySets: '2021-11-01',
}
export const previous: Versions = {
  ...current,
  subscriptions: '2021-01-01',
  providers: '2016-02-01',
  groups: '2020-06-01',
  network: '2022-07-01',
  vms: '2023-03-01',
  disks: '2022-03-02',
  vaults: '2023-02-01',
  identities: '2018-11-30',
  assignments: '2020-04-01-preview',
  galleryVersions: '2022-03-03',
  sshKeys: '2021-11-01',
}
