import type { VaultAccess, VaultGrantor, VaultUser } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { tableLines } from '../core/output.ts'

interface Vault {
  id: string
  name: string
  location: string
  properties: { sku: { name: string } }
}

interface ShownVault extends VaultAccess {
  name: string
  resourceGroup: string
  location: string
  sku: string
}

const models = { roles: 'roles', accessPolicies: 'access policies' } as const
const groupOf = (id: string): string => id.split('/')[4] ?? ''

/** Each vault's permission model, and who has access under it (docs/explanation/vault.md). */
export const vaultAccessCommands: Command[] = [
  {
    words: ['vault', 'list'],
    summary: 'list the vaults: their permission model, who may use their keys, and who may grant access',
    watchable: true,
    examples: ['strongroom vault list', 'strongroom vault list --output json'],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const shown = await Promise.all((await vaultsOf(arm)).map(async (vault) => await shownVault(arm, vault)))
      const columns = [
        'Vault',
        'Group',
        'Region',
        'Decided by',
        'May use it',
        'May grant access to others and to themselves',
      ]
      const rows = shown.map(({ name, resourceGroup, location, permissionModel, users, grantors }) => [
        name,
        resourceGroup,
        location,
        models[permissionModel],
        String(new Set(users.map(({ principalId }) => principalId)).size),
        String(new Set(grantors.map(({ principalId }) => principalId)).size),
      ])
      return { data: shown, table: { columns, rows } }
    },
  },
  {
    words: ['vault', 'show'],
    args: ['<name>'],
    names: 'vault',
    summary: 'show a vault’s permission model, who may use its keys, and who may grant access',
    options: [{ flags: '-g, --resource-group <group>', summary: 'its resource group' }],
    examples: ['strongroom vault show mykv'],
    run: async (context) => {
      const arm = new ArmClient(await context.connect())
      const shown = await shownVault(arm, await vaultNamed(arm, context))
      return { data: shown, lines: linesOf(shown) }
    },
  },
]

async function vaultsOf(arm: ArmClient): Promise<Vault[]> {
  return await arm.list<Vault>(`${arm.subscription}/providers/Microsoft.KeyVault/vaults`, apiVersions.vaults)
}

async function vaultNamed(arm: ArmClient, context: CommandContext): Promise<Vault> {
  const [name, group] = [context.args[0] ?? '', textOption(context, 'resourceGroup')]
  const vaults = await vaultsOf(arm)
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  const found = vaults.find((each) => same(each.name, name) && (group === undefined || same(groupOf(each.id), group)))
  if (found !== undefined) return found
  throw new CliError({
    code: 'NotFound',
    message: `There is no vault '${name}'${group === undefined ? '' : ` in the group '${group}'`}.`,
    exitCode: exitCodes.notFound,
    expected: vaults.map((vault) => vault.name).join(', ') || 'a vault; there is none',
    found: name,
    remedy: 'Run `strongroom vault list`.',
  })
}

async function shownVault(arm: ArmClient, { id, name, location, properties }: Vault): Promise<ShownVault> {
  const access = await arm.get<VaultAccess>(`${id}/providers/Strongroom.KeyVault/access`, apiVersions.vaults)
  return { name, resourceGroup: groupOf(id), location, sku: properties.sku.name, ...access }
}

function linesOf({ name, resourceGroup, location, sku, permissionModel, users, grantors }: ShownVault): string[] {
  return [
    `${name} (${sku}, group ${resourceGroup}, ${location})`,
    '',
    permissionModel === 'roles'
      ? 'Roles decide who may use its keys and secrets; access policies are ignored.'
      : 'Access policies decide who may use its keys and secrets; roles are ignored. Whoever may write the vault ' +
        'can add a policy for themselves.',
    '',
    'May use what is in it:',
    ...table(['Principal', 'By', 'What'], users.map(userRow)),
    '',
    'May grant access to others and to themselves:',
    ...table(['Principal', 'Role', 'At', 'Through the right to'], grantors.map(grantorRow)),
  ]
}

function userRow({ principalId, applicationId, role, permissions }: VaultUser): string[] {
  const who = applicationId === undefined ? principalId : `${principalId} through ${applicationId}`
  if (role !== undefined) return [who, role.name, role.scope]
  const given = Object.entries(permissions ?? {}).filter(([, allowed]) => (allowed as string[]).length > 0)
  return [who, 'access policy', given.map(([kind, allowed]) => `${kind}: ${allowed.join(', ')}`).join('; ')]
}

const grantorRow = ({ principalId, role, action }: VaultGrantor): string[] => [
  principalId,
  role.name,
  role.scope,
  action,
]

const table = (columns: string[], rows: string[][]): string[] =>
  rows.length === 0 ? ['  nobody'] : tableLines(columns, rows).map((line) => `  ${line}`)
