import {
  isManagedHsmVaultName,
  managedHsmAudience,
  managedHsmVaultName,
  vaultAudience,
  vaultHost,
} from '@strongroom/contract'
import { list, subscriptionPath, versions } from '../wire/arm.ts'
import { askService } from '../wire/data-plane.ts'

/** A vault or managed HSM as the resource manager shows it. */
export interface KeyHolder {
  /** Its name among vaults: a managed HSM's ends with `.managedhsm`. */
  vault: string
  id: string
  location: string
  kind: 'Vault' | 'Managed HSM'
  /** Shown first: the SKU, or whether an HSM is activated. */
  state: string
  purgeProtection: boolean
}

interface VaultResource {
  id: string
  name: string
  location: string
  properties: {
    sku?: { name: string }
    enablePurgeProtection?: boolean
    securityDomainProperties?: { activationStatus: string }
  }
}

/** Those in the subscription that the principal may see. @throws WireError */
export async function readHolders(signal: AbortSignal): Promise<KeyHolder[]> {
  const base = `${await subscriptionPath()}/providers/Microsoft.KeyVault`
  const [vaults, hsms] = await Promise.all([
    list<VaultResource>(`${base}/vaults`, versions.vaults, signal),
    list<VaultResource>(`${base}/managedHSMs`, versions.vaults, signal),
  ])
  const holder = (kind: KeyHolder['kind'], { id, name, location, properties }: VaultResource): KeyHolder => ({
    vault: kind === 'Vault' ? name.toLowerCase() : managedHsmVaultName(name.toLowerCase()),
    id,
    location,
    kind,
    state: properties.sku?.name ?? properties.securityDomainProperties?.activationStatus ?? '',
    purgeProtection: properties.enablePurgeProtection === true,
  })
  return [...vaults.map((each) => holder('Vault', each)), ...hsms.map((each) => holder('Managed HSM', each))]
}

/** Whether a page's address names a vault: anything else must not become part of a host name. */
export const isVaultName = (name: string): boolean => /^[a-z0-9-]{1,24}(\.managedhsm)?$/.test(name)

const audienceOf = (vault: string): string => (isManagedHsmVaultName(vault) ? managedHsmAudience : vaultAudience)

const version = 'api-version=7.6'

export interface VaultQuestion {
  method?: string
  /** Relative to the vault's origin, with `/`. */
  path: string
  body?: unknown
  signal?: AbortSignal | undefined
}

/** The wire of a vault or managed HSM, with the principal's rights there. @throws WireError */
export async function askVault<Body>(vault: string, { path, signal, ...question }: VaultQuestion): Promise<Body> {
  const url = `https://${vaultHost(vault)}${path}${path.includes('?') ? '&' : '?'}${version}`
  return await askService<Body>({ ...question, url, audience: audienceOf(vault), ...(signal && { signal }) })
}

/** Every page of a list. @throws WireError */
export async function listVault<Item>(vault: string, path: string, signal?: AbortSignal): Promise<Item[]> {
  const all: Item[] = []
  let url: string | null = `https://${vaultHost(vault)}${path}?${version}`
  while (url !== null) {
    const page: { value: Item[]; nextLink: string | null } = await askService({
      url,
      audience: audienceOf(vault),
      ...(signal && { signal }),
    })
    all.push(...page.value)
    url = page.nextLink
  }
  return all
}

export { audienceOf }
