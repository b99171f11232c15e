import type { VaultAccessPolicy, VaultPermissions } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { Fields } from '../../arm/fields.ts'
import { tenantId } from '../../testing/ids.ts'
import { samePolicyHolder, settingsOf, vaultBody, vaultView, type VaultSettings } from './vault-model.ts'
import { mergedPolicies, readAccessPolicies, readVaultRequest } from './vault-request.ts'

const [alice, bob] = ['0f2a9f3e-0000-4000-8000-00000000dddd', '0f2a9f3e-0000-4000-8000-00000000eeee']
const application = '0f2a9f3e-0000-4000-8000-00000000ffff'
const held = (more: Partial<VaultPermissions> = {}): VaultPermissions => ({
  keys: [],
  secrets: [],
  certificates: [],
  storage: [],
  ...more,
})
const policy = (objectId = alice, more: Partial<VaultPermissions> = {}, o: object = {}): VaultAccessPolicy => ({
  tenantId,
  objectId,
  permissions: held(more),
  ...o,
})
const required = { tenantId, sku: { family: 'A', name: 'standard' } }
const ask = (
  properties: object,
  o: { existing?: VaultSettings; patch?: boolean; more?: object } = {},
): [VaultSettings, unknown[]] => {
  const fields = new Fields({ properties, ...o.more })
  const settings = readVaultRequest(fields, { tenantId, existing: o.existing, patch: o.patch ?? false })
  return [settings, fields.problems.map(({ code, target, found }) => [code, target, found])]
}
const made = (properties: object = {}): VaultSettings => ask({ ...required, ...properties })[0]
const changed: VaultSettings = {
  ...made(),
  sku: 'premium',
  enableRbacAuthorization: true,
  accessPolicies: [policy(alice, { keys: ['get'] })],
  resource: {
    tags: { a: 'b' },
    enabledForDeployment: true,
    enabledForDiskEncryption: true,
    enabledForTemplateDeployment: true,
  },
  softDeleteRetentionInDays: 30,
  enablePurgeProtection: true,
  publicNetworkAccess: 'Disabled',
  networkRules: { bypass: 'None', defaultAction: 'Deny', ipRules: ['10.0.0.0/8'] },
}
const problem = (target: string, found: string): unknown[] => [['BadRequest', `properties.${target}`, found]]

describe('a new vault', () => {
  it('has Azure’s defaults where nothing is said', () => {
    expect(ask(required)).toEqual([
      {
        tenantId,
        sku: 'standard',
        enableRbacAuthorization: false,
        accessPolicies: [],
        resource: {
          tags: {},
          enabledForDeployment: false,
          enabledForDiskEncryption: false,
          enabledForTemplateDeployment: false,
        },
        softDeleteRetentionInDays: 90,
        enablePurgeProtection: false,
        publicNetworkAccess: 'Enabled',
        networkRules: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [] },
      },
      [],
    ])
  })

  it('has all that is said', () => {
    const properties = {
      tenantId: tenantId.toUpperCase(),
      sku: { name: 'PREMIUM' },
      enableRbacAuthorization: true,
      accessPolicies: changed.accessPolicies,
      enabledForDeployment: true,
      enabledForDiskEncryption: 'true',
      enabledForTemplateDeployment: true,
      enableSoftDelete: true,
      softDeleteRetentionInDays: 30,
      enablePurgeProtection: true,
      publicNetworkAccess: 'disabled',
      networkAcls: {
        bypass: 'none',
        defaultAction: 'deny',
        ipRules: [{ value: '10.0.0.0/8' }],
        virtualNetworkRules: [],
      },
    }
    expect(ask(properties, { more: { tags: { a: 'b' } } })).toEqual([changed, []])
    expect(ask({ ...required, enabledForDeployment: true })[0].resource).toEqual({
      ...made().resource,
      enabledForDeployment: true,
    })
    for (const networkAcls of [{}, { bypass: 'azureservices', defaultAction: 'allow' }])
      expect(ask({ ...required, networkAcls })).toEqual([made(), []])
  })

  it.each<[string, object, unknown[]]>([
    ['no tenant', { sku: required.sku }, problem('tenantId', 'none')],
    ['another tenant', { ...required, tenantId: alice }, problem('tenantId', alice)],
    ['no sku', { tenantId }, problem('sku.name', 'none')],
    ['a sku without a name', { tenantId, sku: { family: 'A' } }, problem('sku.name', 'none')],
    ['soft delete off', { ...required, enableSoftDelete: false }, problem('enableSoftDelete', 'false')],
    [
      '6 days',
      { ...required, softDeleteRetentionInDays: 6 },
      [['InvalidRequestContent', 'properties.softDeleteRetentionInDays', 'number']],
    ],
    [
      '91 days',
      { ...required, softDeleteRetentionInDays: 91 },
      [['InvalidRequestContent', 'properties.softDeleteRetentionInDays', 'number']],
    ],
    [
      'rules of networks',
      { ...required, networkAcls: { virtualNetworkRules: [{ id: 'x' }] } },
      problem('networkAcls.virtualNetworkRules', 'a rule'),
    ],
  ])('is refused with %s', (_name, properties, problems) => {
    expect(ask(properties)[1]).toEqual(problems)
  })

  it.each([7, 90])('keeps what is deleted for %d days', (days) => {
    expect(made({ softDeleteRetentionInDays: days }).softDeleteRetentionInDays).toBe(days)
  })
})

describe('a PUT of a vault that is there', () => {
  it('begins with the defaults, but keeps who decides on access and what cannot be taken back', () => {
    const [settings, problems] = ask({ tenantId, sku: { name: 'premium' } }, { existing: changed })
    expect([settings, problems]).toEqual([
      {
        ...made(),
        sku: 'premium',
        enableRbacAuthorization: true,
        softDeleteRetentionInDays: 30,
        enablePurgeProtection: true,
      },
      [],
    ])
  })

  it('takes nothing back that cannot be', () => {
    const again = { ...required, softDeleteRetentionInDays: 30, enablePurgeProtection: true }
    expect(ask(again, { existing: changed })[1]).toEqual([])
    expect(ask({ ...again, softDeleteRetentionInDays: 31 }, { existing: changed })).toEqual([
      expect.objectContaining({ softDeleteRetentionInDays: 30 }),
      problem('softDeleteRetentionInDays', '31'),
    ])
    expect(ask({ ...again, enablePurgeProtection: false }, { existing: changed })).toEqual([
      expect.objectContaining({ enablePurgeProtection: true }),
      problem('enablePurgeProtection', 'false'),
    ])
    const unprotected = { ...changed, enablePurgeProtection: false }
    for (const enablePurgeProtection of [true, false])
      expect(ask({ ...again, enablePurgeProtection }, { existing: unprotected })).toEqual([
        expect.objectContaining({ enablePurgeProtection }),
        [],
      ])
  })

  it('chooses the model where it names one', () => {
    for (const enableRbacAuthorization of [true, false])
      expect(ask({ ...required, enableRbacAuthorization }, { existing: changed })[0]).toMatchObject({
        enableRbacAuthorization,
      })
    expect(ask(required, { existing: { ...changed, enableRbacAuthorization: false } })[0].enableRbacAuthorization).toBe(
      false,
    )
  })
})

describe('a PATCH of a vault', () => {
  it('begins with what there is', () => {
    expect(ask({}, { existing: changed, patch: true })).toEqual([changed, []])
    const small = { enabledForDeployment: false, sku: { name: 'standard' }, publicNetworkAccess: 'Enabled' }
    expect(ask(small, { existing: changed, patch: true, more: { tags: {} } })[0]).toEqual({
      ...changed,
      sku: 'standard',
      publicNetworkAccess: 'Enabled',
      resource: { ...changed.resource, tags: {}, enabledForDeployment: false },
    })
    expect(ask({ sku: {} }, { existing: changed, patch: true })[1]).toEqual(problem('sku.name', 'none'))
    expect(ask({ accessPolicies: [] }, { existing: changed, patch: true })[0].accessPolicies).toEqual([])
  })

  it('takes nothing back either', () => {
    expect(ask({ enablePurgeProtection: false }, { existing: changed, patch: true })[1]).toEqual(
      problem('enablePurgeProtection', 'false'),
    )
    expect(ask({ tenantId: alice }, { existing: changed, patch: true })[1]).toEqual(problem('tenantId', alice))
  })
})

describe('access policies', () => {
  const read = (...accessPolicies: object[]): [VaultAccessPolicy[], unknown[]] => {
    const fields = new Fields({ accessPolicies })
    const policies = readAccessPolicies(fields, tenantId)
    return [policies, fields.problems.map(({ target, found }) => [target, found])]
  }

  it('are read in any case, each permission once', () => {
    const permissions = {
      keys: ['Get', 'GET', 'wrapKey'],
      secrets: ['All'],
      certificates: ['ManageIssuers'],
      storage: ['GetSAS'],
    }
    const given = { tenantId: tenantId.toUpperCase(), objectId: alice.toUpperCase(), permissions }
    const expected = held({
      keys: ['get', 'wrapkey'],
      secrets: ['all'],
      certificates: ['manageissuers'],
      storage: ['getsas'],
    })
    expect(read(given, { ...given, applicationId: application.toUpperCase(), permissions: null })).toEqual([
      [
        { tenantId, objectId: alice, permissions: expected },
        { tenantId, objectId: alice, applicationId: application, permissions: held() },
      ],
      [],
    ])
  })

  it.each([
    [
      'keys',
      'all encrypt decrypt wrapkey unwrapkey sign verify get list create update import delete backup restore ' +
        'recover purge release rotate getrotationpolicy setrotationpolicy',
    ],
    ['secrets', 'all get list set delete backup restore recover purge'],
    [
      'certificates',
      'all get list delete create import update managecontacts getissuers listissuers setissuers deleteissuers ' +
        'manageissuers recover purge backup restore',
    ],
    [
      'storage',
      'all get list delete set update regeneratekey recover purge backup restore setsas listsas getsas deletesas',
    ],
  ] as const)('have Azure’s permissions for %s and no others', (kind, names) => {
    const list = names.split(' ')
    expect(read({ tenantId, objectId: alice, permissions: { [kind]: list } })).toEqual([
      [policy(alice, { [kind]: list })],
      [],
    ])
    for (const wrong of ['', 'own', 'get list', kind])
      expect(read({ tenantId, objectId: alice, permissions: { [kind]: ['get', wrong] } })).toEqual([
        [policy(alice, { [kind]: ['get'] })],
        [[`accessPolicies[0].permissions.${kind}`, wrong]],
      ])
  })

  it.each<[string, object, unknown[]]>([
    ['no tenant', { objectId: alice }, ['accessPolicies[0].tenantId', 'none']],
    ['another tenant', { tenantId: bob, objectId: alice }, ['accessPolicies[0].tenantId', bob]],
    ['no principal', { tenantId }, ['accessPolicies[0].objectId', 'none']],
    ['a principal that is none', { tenantId, objectId: `${alice}0` }, ['accessPolicies[0].objectId', `${alice}0`]],
    ['something before a principal', { tenantId, objectId: `0${alice}` }, ['accessPolicies[0].objectId', `0${alice}`]],
    [
      'an application that is none',
      { tenantId, objectId: alice, applicationId: 'x' },
      ['accessPolicies[0].applicationId', 'x'],
    ],
    ['an empty application', { tenantId, objectId: alice, applicationId: '' }, ['accessPolicies[0].applicationId', '']],
  ])('are refused with %s', (_name, given, expected) => {
    expect(read(given)[1]).toEqual([expected])
  })

  it('are one for a principal and an application, and 1024 at most', () => {
    const of = (objectId: string, more: object = {}): object => ({ tenantId, objectId, ...more })
    expect(read(of(alice), of(bob), of(alice, { applicationId: application }))[1]).toEqual([])
    expect(read(of(alice), of(bob), of(alice.toUpperCase()))[1]).toEqual([['accessPolicies[2]', 'a second one']])
    const many = (count: number): object[] =>
      Array.from({ length: count }, (_, n) => of(`0f2a9f3e-0000-4000-8000-${String(n).padStart(12, '0')}`))
    expect(read(...many(1024))[1]).toEqual([])
    expect(read(...many(1025))[1]).toEqual([['accessPolicies', '1025']])
  })

  it('are somebody’s by principal, application and tenant', () => {
    const one = policy()
    expect(samePolicyHolder(one, policy(alice, { keys: ['get'] }))).toBe(true)
    for (const other of [
      policy(bob),
      policy(alice, {}, { applicationId: application }),
      policy(alice, {}, { tenantId: bob }),
    ])
      expect(samePolicyHolder(one, other)).toBe(false)
  })
})

describe('access policies that are merged', () => {
  const kinds = ['keys', 'secrets', 'certificates', 'storage'] as const
  const each = (...names: string[]): VaultPermissions => held(Object.fromEntries(kinds.map((kind) => [kind, names])))
  const [a, b] = [policy(alice, each('get', 'list')), policy(bob, each('get'))]

  it('are added to what there is, each permission once', () => {
    expect(mergedPolicies('add', [a], [b])).toEqual([a, b])
    expect(mergedPolicies('add', [a, b], [policy(alice, each('list', 'set'))])).toEqual([
      b,
      policy(alice, each('get', 'list', 'set')),
    ])
    expect(mergedPolicies('add', [], [policy()])).toEqual([policy()])
    expect(mergedPolicies('add', [policy()], [policy()])).toEqual([policy()])
  })

  it('replace those of the same holders', () => {
    expect(mergedPolicies('replace', [a, b], [policy(alice)])).toEqual([b, policy(alice)])
    expect(mergedPolicies('replace', [a], [b])).toEqual([a, b])
    const empty = [policy(alice), policy(bob)]
    expect(mergedPolicies('replace', [a, b], empty)).toEqual(empty)
  })

  it('are taken from what there is, and go where nothing is left', () => {
    expect(mergedPolicies('remove', [a, b], [policy(alice, each('get'))])).toEqual([b, policy(alice, each('list'))])
    expect(mergedPolicies('remove', [a], [b])).toEqual([a])
    for (const kind of kinds) {
      const one = policy(alice, { [kind]: ['get'] })
      expect([kind, mergedPolicies('remove', [one], [policy(alice, each('list'))])]).toEqual([kind, [one]])
      expect([kind, mergedPolicies('remove', [one, b], [policy(alice, { [kind]: ['get'] })])]).toEqual([kind, [b]])
    }
  })
})

describe('a vault as Azure shows it', () => {
  it('has all its settings', () => {
    expect(vaultBody('Kv1', changed)).toEqual({
      tags: { a: 'b' },
      properties: {
        sku: { family: 'A', name: 'premium' },
        tenantId,
        accessPolicies: changed.accessPolicies,
        enabledForDeployment: true,
        enabledForDiskEncryption: true,
        enabledForTemplateDeployment: true,
        enableSoftDelete: true,
        softDeleteRetentionInDays: 30,
        enableRbacAuthorization: true,
        enablePurgeProtection: true,
        publicNetworkAccess: 'Disabled',
        networkAcls: {
          bypass: 'None',
          defaultAction: 'Deny',
          ipRules: [{ value: '10.0.0.0/8' }],
          virtualNetworkRules: [],
        },
        vaultUri: 'https://kv1.vault.strongroom.internal/',
        provisioningState: 'Succeeded',
      },
    })
    const shown = { name: 'Kv1', id: '/kv', location: 'westeurope', etag: 'e', body: vaultBody('Kv1', changed) }
    expect(vaultView(shown as Parameters<typeof vaultView>[0])).toMatchObject({
      id: '/kv',
      type: 'Microsoft.KeyVault/vaults',
      properties: { vaultUri: 'https://kv1.vault.strongroom.internal/' },
    })
    expect(vaultBody('kv', made()).properties).not.toHaveProperty('enablePurgeProtection')
    expect(settingsOf({ ...changed, grants: [], resourceId: 'r', location: 'l' })).toEqual(changed)
  })
})
