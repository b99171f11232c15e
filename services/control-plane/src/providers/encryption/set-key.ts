import { domain } from '@strongroom/contract'
import { invalid } from '../../arm/refusals.ts'
import type { Problem } from '../../arm/fields.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import type { SetKey } from './set-model.ts'

const keyForm = new RegExp(
  `^https://([a-z0-9-]{1,64})\\.(vault|managedhsm)\\.${domain.replaceAll('.', '\\.')}(?::443)?/keys/` +
    '([A-Za-z0-9-]{1,127})/([0-9a-f]{32})/?$',
  'i',
)
const path = 'properties.activeKey'

/** Key stores, by the host name's second label. Only client-visible settings are read. */
const stores = { vault: 'Microsoft.KeyVault/vaults', managedhsm: 'Microsoft.KeyVault/managedHSMs' } as const

/** Where a set's key is: the vault or HSM as a resource. */
export interface KeyPlace {
  key: SetKey
  store: Resource
}

/**
 * A set's new key, with the resource that holds it, judged by what the resource manager knows: only the set's identity
 * can read the key itself.
 * @param mayRead whether the caller may see the vault; by default it is a stored set's, which no caller names
 */
export async function placeKey(
  plane: Plane,
  key: SetKey,
  location: string,
  mayRead: (id: string, type: string) => Promise<boolean> = async () => true,
): Promise<KeyPlace | { problems: Problem[] }> {
  const match = keyForm.exec(key.keyUrl)
  if (match === null) return { problems: [badUrl(key.keyUrl)] }
  const [, name = '', kind = '', keyName = '', version = ''] = match
  const hsm = kind.toLowerCase() === 'managedhsm'
  const type = stores[hsm ? 'managedhsm' : 'vault']
  const store = (await plane.resources.list({ type })).find((each) => each.name.toLowerCase() === name.toLowerCase())
  if (store === undefined || !(await mayRead(store.id, type))) return { problems: [noStore(key, name, hsm)] }
  const { sourceVault } = key
  if (sourceVault !== undefined && keyOf(sourceVault) !== store.key) return { problems: [otherStore(key, store)] }
  const problems = [
    ...(store.location === location ? [] : [otherRegion(store, location)]),
    ...(hsm ? hsmProblems(store) : vaultProblems(store)),
  ]
  if (problems.length > 0) return { problems }
  const host = `${name.toLowerCase()}.${hsm ? 'managedhsm' : 'vault'}.${domain}`
  const keyUrl = `https://${host}/keys/${keyName}/${version.toLowerCase()}`
  return { key: { keyUrl, ...(sourceVault !== undefined && { sourceVault: store.id }) }, store }
}

function vaultProblems(vault: Resource): Problem[] {
  const { sku, enablePurgeProtection } = vault.body.properties
  const skuName = String((sku as { name?: unknown } | undefined)?.name)
  return [
    ...(skuName === 'premium'
      ? []
      : [
          {
            code: 'KeyVaultSkuNotSupported' as const,
            message: `The key vault '${vault.id}' cannot hold a key for confidential VMs: its keys cannot be released.`,
            target: `${path}.sourceVault`,
            expected: 'sku premium, or a managed HSM',
            found: `sku ${skuName}`,
            remedy: 'Use a premium vault.',
            rule: 'S2' as const,
          },
        ]),
    ...(enablePurgeProtection === true
      ? []
      : [
          {
            code: 'KeyVaultPurgeProtectionNotEnabled' as const,
            message:
              `The key vault '${vault.id}' cannot be used by a disk encryption set: purge protection is not enabled ` +
              'on it, so a key could be destroyed permanently.',
            target: `${path}.sourceVault`,
            expected: 'enablePurgeProtection true',
            found: 'false',
            remedy: `az keyvault update --name ${vault.name} --enable-purge-protection true`,
          },
        ]),
  ]
}

function hsmProblems(hsm: Resource): Problem[] {
  if (hsm.body.properties['enablePurgeProtection'] === true) return []
  return [
    {
      code: 'KeyVaultPurgeProtectionNotEnabled',
      message: `The managed HSM '${hsm.id}' cannot be used by a disk encryption set: purge protection is not enabled on it.`,
      target: `${path}.sourceVault`,
      expected: 'enablePurgeProtection true',
      found: 'false',
      remedy: `az keyvault update-hsm --hsm-name ${hsm.name} --enable-purge-protection true`,
    },
  ]
}

const badUrl = (found: string): Problem =>
  invalid(
    `${path}.keyUrl`,
    `The key URL '${found.slice(0, 200)}' is not the versioned URL of a key in a vault or managed HSM of this installation.`,
    {
      expected: `https://{vault}.vault.${domain}/keys/{name}/{version}, or …managedhsm.${domain}/…`,
      found: found.slice(0, 200),
      remedy: 'Include a version: az keyvault key show … --query key.kid.',
    },
  )

const noStore = (key: SetKey, name: string, hsm: boolean): Problem => ({
  code: 'KeyVaultNotFound',
  status: 400,
  message: `There is no ${hsm ? 'managed HSM' : 'key vault'} '${name.slice(0, 64)}' in this subscription.`,
  target: `${path}.keyUrl`,
  expected: hsm ? 'a managed HSM of the subscription' : 'a vault of the subscription',
  found: key.keyUrl.slice(0, 200),
  remedy: 'Create it, or recover it if it was deleted.',
})

const otherStore = (key: SetKey, store: Resource): Problem =>
  invalid(`${path}.sourceVault.id`, `The key URL does not match the source vault: the key is in ${store.id}.`, {
    expected: store.id,
    found: key.sourceVault?.slice(0, 300) ?? '',
    remedy: 'Omit sourceVault, or name the vault that holds the key.',
  })

const otherRegion = (store: Resource, location: string): Problem => ({
  code: 'KeyVaultAndDiskEncryptionSetInDifferentRegions',
  message: `The vault '${store.id}' is in '${store.location}', the disk encryption set in '${location}': they must be in the same region.`,
  target: 'location',
  expected: location,
  found: store.location,
  remedy: 'Use a vault in the region of the set and its VMs.',
})
