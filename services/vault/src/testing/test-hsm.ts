import { randomUUID } from 'node:crypto'
import { managedHsmHost } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { createHolder, type TestHolder } from './holders.ts'
import { createTestVault, principalIds, type Answer, type Principal, type TestVault } from './test-vault.ts'

export const cryptoUserRole = '21dbd100-6940-42c2-9190-5d6cb909625b'
export const cryptoOfficerRole = '515eb02d-2335-4d2d-92f2-b1cbdf9c3778'
export const authorization = '/providers/Microsoft.Authorization'
/** A container, as named by a backup and a restore. */
export const storageOf = (container: string): { storageResourceUri: string; token: string } => ({
  storageResourceUri: `https://backup.strongroom.internal/${container}`,
  token: 'sas',
})
/** Three holders of a security domain. */
export const holders: TestHolder[] = ['a', 'b', 'c'].map(createHolder)

/** A managed HSM whose administrator is the owner. */
export class TestHsm {
  readonly vault: TestVault
  readonly name: string
  readonly store: Store

  constructor(vault: TestVault, name: string, store: Store) {
    this.vault = vault
    this.name = name
    this.store = store
  }

  create(o: object = {}): Promise<Answer> {
    return this.vault.manage('controlPlane', 'PUT', `/managedhsms/${this.name}`, {
      resourceId: `/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/${this.name}`,
      location: 'westeurope',
      tenantId: randomUUID(),
      initialAdminObjectIds: [principalIds.owner],
      softDeleteRetentionInDays: 7,
      enablePurgeProtection: false,
      tags: {},
      ...o,
    })
  }

  as(
    principal: Principal,
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<Answer> {
    return this.vault.call(principal, method, path, body, managedHsmHost(this.name))
  }

  owner(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    return this.as('owner', method, path, body)
  }

  assign(principal: Principal, role: string, scope = ''): Promise<Answer> {
    const properties = {
      roleDefinitionId: `Microsoft.KeyVault${authorization}/roleDefinitions/${role}`,
      principalId: principalIds[principal],
    }
    return this.owner('PUT', `${scope}${authorization}/roleAssignments/${randomUUID()}`, { properties })
  }

  download(required = 2): Promise<Answer> {
    return this.owner('POST', '/securitydomain/download', { certificates: holders.map(({ jwk }) => jwk), required })
  }
}

/** A managed HSM that the owner administers, not activated yet. */
export async function startHsm(store: Store, stateDir: string, name = 'hsm1'): Promise<TestHsm> {
  const hsm = new TestHsm(await createTestVault(store, { stateDir }), name, store)
  const made = await hsm.create()
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return hsm
}

/** The same, with its security domain downloaded, whose owner creates and uses keys. */
export async function activeHsm(store: Store, stateDir: string, name?: string): Promise<TestHsm> {
  const hsm = await startHsm(store, stateDir, name)
  const answers = [await hsm.download(), await hsm.assign('owner', cryptoUserRole)]
  if (answers.some(({ status }) => status >= 300)) throw new Error(JSON.stringify(answers.map(({ body }) => body)))
  return hsm
}
