import {
  attestationRegionCodes,
  defaultCvmReleasePolicy,
  graphHost,
  principals,
  sharedAttestationHost,
  vaultAudience,
  vaultHost,
} from '@strongroom/contract'
import { session } from '../wire/session.ts'
import { arm, get, list, run, subscriptionPath, versions } from '../wire/arm.ts'
import { askService } from '../wire/data-plane.ts'
import { nameOf } from '../resources/machine.ts'
import { word } from './template.ts'

export interface EncryptionSet {
  id: string
  name: string
  location: string
}

/** A region's sets that the principal may see. */
export async function readSets(region: string, signal?: AbortSignal): Promise<EncryptionSet[]> {
  const path = `${await subscriptionPath()}/providers/Microsoft.Compute/diskEncryptionSets`
  return (await list<EncryptionSet>(path, versions.compute, signal)).filter(({ location }) => location === region)
}

export interface KeyPlan {
  group: string
  region: string
  /** Name of the vault, the set and the key in it. */
  vault: string
  set: string
  key: string
}

/** Unused names: a vault's must be globally unique. */
export function planKey(o: { group: string; region: string }): KeyPlan {
  const mark = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return { ...o, vault: `keys-${mark}`, set: `set-${mark}`, key: 'disk' }
}

const encryptionType = 'ConfidentialVmEncryptedWithCustomerKey'

/** Any confidential VM that a region's shared provider attests, as in Azure's default policy for confidential VMs. */
const releasePolicy = {
  version: '1.0.0',
  anyOf: attestationRegionCodes.flatMap(
    (code) => defaultCvmReleasePolicy(`https://${sharedAttestationHost(code)}`).anyOf,
  ),
}

interface Made {
  vaultId: string
  keyUrl: string
  setId: string
  setPrincipal: string
}

export interface KeyStep {
  name: string
  /** The equivalent command. */
  az: string
  run: (plan: KeyPlan, made: Partial<Made>) => Promise<Partial<Made>>
}

const groupPath = async ({ group }: KeyPlan): Promise<string> =>
  `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(group)}`

async function allow(made: Partial<Made>, objectId: string, keys: string[]): Promise<void> {
  const path = `${made.vaultId ?? ''}/accessPolicies/add`
  const accessPolicies = [{ tenantId: tenant(), objectId, permissions: { keys } }]
  await arm({ method: 'PUT', path, version: versions.vaults, body: { properties: { accessPolicies } } })
}

const me = (): { objectId: string; tenantId: string } => {
  const now = session.value
  return now.state === 'in' ? now.person : { objectId: '', tenantId: '' }
}
const tenant = (): string => me().tenantId

/** What the 22 steps of Azure's page amount to, in the order of docs/guides/disks.md. */
export const keySteps = (plan: KeyPlan): KeyStep[] => [
  {
    name: `Resource group ${plan.group}`,
    az: `az group create -n ${word(plan.group)} -l ${word(plan.region)}`,
    run: async () => {
      await arm({
        method: 'PUT',
        path: await groupPath(plan),
        version: versions.resources,
        body: { location: plan.region },
      })
      return {}
    },
  },
  {
    name: `Vault ${plan.vault}, premium, with purge protection`,
    az:
      `az keyvault create -n ${plan.vault} -g ${word(plan.group)} -l ${word(plan.region)} --sku premium ` +
      '--enable-purge-protection true --enable-rbac-authorization false',
    run: async () => {
      const path = `${await groupPath(plan)}/providers/Microsoft.KeyVault/vaults/${plan.vault}`
      const properties = {
        tenantId: tenant(),
        sku: { family: 'A', name: 'premium' },
        enablePurgeProtection: true,
        enableRbacAuthorization: false,
        accessPolicies: [{ tenantId: tenant(), objectId: me().objectId, permissions: { keys: ['all'] } }],
      }
      await run({
        method: 'PUT',
        path,
        version: versions.vaults,
        body: { location: plan.region, properties },
        onlyNew: true,
      })
      return { vaultId: path }
    },
  },
  {
    name: `Key ${plan.key}, which is released only to attested confidential VMs`,
    az:
      `key=$(az keyvault key create --vault-name ${plan.vault} -n ${plan.key} --kty RSA-HSM --exportable true ` +
      '--default-cvm-policy --query key.kid -o tsv)',
    run: async () => {
      const body = {
        kty: 'RSA-HSM',
        key_size: 3072,
        attributes: { exportable: true },
        release_policy: {
          contentType: 'application/json; charset=utf-8',
          data: btoa(JSON.stringify(releasePolicy)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
        },
      }
      const url = `https://${vaultHost(plan.vault)}/keys/${plan.key}/create?api-version=7.4`
      const { key } = await askService<{ key: { kid: string } }>({ method: 'POST', url, audience: vaultAudience, body })
      return { keyUrl: key.kid }
    },
  },
  {
    name: `${principals.orchestrator.displayName} may have the key released`,
    az: [
      `orchestrator=$(az ad sp show --id ${principals.orchestrator.appId} --query id -o tsv)`,
      `az keyvault set-policy -n ${plan.vault} --object-id $orchestrator --key-permissions get release`,
    ].join('\n'),
    run: async (_plan, made) => {
      const filter = encodeURIComponent(`appId eq '${principals.orchestrator.appId}'`)
      const url = `https://${graphHost}/v1.0/servicePrincipals?$filter=${filter}`
      const { value } = await askService<{ value: { id: string }[] }>({ url, audience: `https://${graphHost}` })
      await allow(made, value[0]?.id ?? '', ['get', 'release'])
      return {}
    },
  },
  {
    name: `Disk-encryption set ${plan.set}`,
    az:
      `set=$(az disk-encryption-set create -n ${plan.set} -g ${word(plan.group)} --key-url $key --source-vault ` +
      `${plan.vault} --encryption-type ${encryptionType} --query id -o tsv)`,
    run: async (_plan, made) => {
      const path = `${await groupPath(plan)}/providers/Microsoft.Compute/diskEncryptionSets/${plan.set}`
      const activeKey = { sourceVault: { id: made.vaultId }, keyUrl: made.keyUrl }
      const body = {
        location: plan.region,
        identity: { type: 'SystemAssigned' },
        properties: { encryptionType, activeKey },
      }
      await run({ method: 'PUT', path, version: versions.compute, body, onlyNew: true })
      const { identity } = await get<{ identity: { principalId: string } }>(path, versions.compute)
      return { setId: path, setPrincipal: identity.principalId }
    },
  },
  {
    name: `${plan.set} may use the key`,
    az: [
      `identity=$(az disk-encryption-set show -n ${plan.set} -g ${word(plan.group)} --query identity.principalId -o tsv)`,
      `az keyvault set-policy -n ${plan.vault} --object-id $identity --key-permissions get wrapKey unwrapKey`,
    ].join('\n'),
    run: async (_plan, made) => {
      await allow(made, made.setPrincipal ?? '', ['get', 'wrapKey', 'unwrapKey'])
      return {}
    },
  },
]

/** Creates all of it, reporting progress. What was created stays if a later step is refused. @returns id of the set @throws WireError */
export async function makeKey(plan: KeyPlan, onStep: (done: number) => void): Promise<string> {
  let made: Partial<Made> = {}
  for (const [index, step] of keySteps(plan).entries()) {
    onStep(index)
    made = { ...made, ...(await step.run(plan, made)) }
  }
  onStep(keySteps(plan).length)
  return made.setId ?? ''
}

/** A set's display name in lists. */
export const setName = (id: string): string => nameOf(id)
