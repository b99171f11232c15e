import { createHash, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  platformKeyReleasePolicy,
  managedHsmAudience,
  vaultAudience,
  vaultDefaults,
  vaultManagementApiVersion,
  vaultManagementAudience,
  vaultManagementHost,
  type KeyCreateRequest,
  type VaultDefinition,
  type VaultGrant,
} from '@strongroom/contract'
import type { Jwk } from '@strongroom/evidence'
import {
  createLogger,
  createSealer,
  openAuthority,
  ServiceError,
  type Clock,
  type Installation,
  type InstallationAuthority,
  type Logger,
  type Sealer,
  type Store,
} from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { onTestFinished } from 'vitest'
import type { VaultRates } from '../http/rate-limits.ts'
import type { KeystoreConfiguration } from '../keystore/configuration.ts'
import { createVaultServiceOn, type VaultService } from '../service.ts'
import type { Vault } from '../vaults/vault.ts'
import { createFakeProvider, providerUrl, type FakeProvider } from './fake-provider.ts'

export const vmId = '6506B531-1634-431E-99D2-42B7D3414AD0'
/** The last two are tenants' principals, without any right until a test grants one. */
export type Principal = 'controlPlane' | 'orchestrator' | 'owner' | 'alice' | 'bob'
export const principalIds: Record<Principal, string> = {
  controlPlane: randomUUID(),
  orchestrator: randomUUID(),
  owner: randomUUID(),
  alice: randomUUID(),
  bob: randomUUID(),
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  body: any
}

export interface TestVault {
  service: VaultService
  provider: FakeProvider
  clock: Clock & { set(date: Date): void }
  authority: InstallationAuthority
  /** `as` undefined sends no token. */
  call(
    as: Principal | undefined,
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    host?: string,
    headers?: Record<string, string>,
  ): Promise<Answer>
  /** As the resource manager: creates or changes a tenant's vault. */
  putVault(name: string, o?: Partial<VaultDefinition>): Promise<Answer>
  /** On the resource manager's wire. */
  manage(
    as: Principal | undefined,
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>
  /** Claims of a token that satisfies `keyRequest`'s policy. */
  claims: Record<string, unknown>
  transferKey: KeyObject
  close(): Promise<void>
}

const installation: Installation = {
  id: randomUUID(),
  tenantId: randomUUID(),
  subscriptionId: randomUUID(),
  mode: 'simulated',
  createdAt: new Date().toISOString(),
  region: 'westeurope',
  ports: { tls: 1, local: 2 },
}

const { privateKey: transferKey, publicKey: transferPublic } = kept('transfer', () =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
)
export const transferJwk: Record<string, unknown> = {
  ...transferPublic.export({ format: 'jwk' }),
  kid: 'HCLTransferKey',
  key_ops: ['encrypt'],
}

const knownAudiences = new Set([vaultAudience, vaultManagementAudience, managedHsmAudience])

/** The resource manager's definition of a vault that grants nobody anything. */
export function vaultDefinition(name: string, o: Partial<VaultDefinition> = {}): VaultDefinition {
  return {
    resourceId: `/subscriptions/${installation.subscriptionId}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/${name}`,
    location: 'westeurope',
    tenantId: installation.tenantId,
    ...vaultDefaults,
    sku: 'premium',
    enableRbacAuthorization: true,
    grants: [],
    ...o,
  }
}

export const testVaultOf = (name: string): Vault => ({ ...vaultDefinition(name), name })

/** The role Key Vault Administrator for a principal, over the whole vault. */
export const adminGrant = (principal: Principal): VaultGrant => ({
  principalId: principalIds[principal],
  object: '',
  dataActions: ['Microsoft.KeyVault/vaults/*'],
  notDataActions: [],
})

/** A vault on the given store, with principals whose tokens are their names. */
export async function createTestVault(
  store: Store,
  o: {
    sealer?: Sealer
    authority?: InstallationAuthority
    rates?: VaultRates
    keystore?: KeystoreConfiguration
    mapsAzureProviders?: boolean
    answersAzureNames?: () => boolean
    /** Default: a separate folder. */
    stateDir?: string
    /** Keys that sign the list of firmware in stateDir; by default nothing is listed. */
    firmwareKeys?: readonly Jwk[]
    logger?: Logger
    /** Registers cleanup work; by default after the test that opens the vault. */
    inTheEnd?: (work: () => Promise<void>) => void
    /** Further claims of a principal's token. */
    claims?: Partial<Record<Principal, Record<string, unknown>>>
  } = {},
): Promise<TestVault> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-vault-'))
  const inTheEnd = o.inTheEnd ?? onTestFinished
  inTheEnd(() => rm(directory, { recursive: true, force: true }))
  let now = new Date()
  const clock = { now: () => now, set: (date: Date) => void (now = date) }
  const sealer = o.sealer ?? createSealer(randomBytes(32))
  const authority = o.authority ?? (await openAuthority({ stateDir: directory, sealer, clock, installation }))
  const provider = createFakeProvider(clock.now)
  const service = await createVaultServiceOn(store, {
    installation,
    stateDir: o.stateDir ?? directory,
    cacheDir: directory,
    storeUrl: store.url,
    sealer,
    clock,
    logger: o.logger ?? createLogger({ level: 'silent' }),
    wire: provider.wire,
    tokens: { token: () => Promise.reject(new Error('the vault calls nobody as a principal')) },
    verifier: {
      verify: (token, audiences) => {
        const objectId = principalIds[token as Principal] as string | undefined
        if (objectId === undefined || !audiences.some((audience) => knownAudiences.has(audience))) {
          return Promise.reject(new ServiceError({ code: 'InvalidAuthenticationToken', message: 'no' }))
        }
        return Promise.resolve({
          objectId,
          appId: `${token}-app`,
          tenantId: installation.tenantId,
          claims: o.claims?.[token as Principal] ?? {},
        })
      },
    },
    newId: randomUUID,
    authority,
    ...(o.rates && { rates: o.rates }),
    keystore: o.keystore,
    ...(o.firmwareKeys && { firmwareKeys: o.firmwareKeys }),
    mapsAzureProviders: o.mapsAzureProviders ?? false,
    ...(o.answersAzureNames && { answersAzureNames: o.answersAzureNames }),
    platformAccess: {
      orchestratorObjectId: principalIds.orchestrator,
      controlPlaneObjectId: principalIds.controlPlane,
      ownerObjectId: principalIds.owner,
    },
  })
  const call: TestVault['call'] = async (
    as,
    method,
    path,
    body,
    host = 'platform.vault.strongroom.internal',
    headers = {},
  ) => {
    const { app } = service.hosts.find((each) => each.matches(host)) ?? service.hosts[0]!
    const url = path.includes('api-version') ? path : `${path}${path.includes('?') ? '&' : '?'}api-version=7.4`
    const response = await app.inject({
      method,
      url,
      headers: { host, ...(as && { authorization: `Bearer ${as}` }), ...headers },
      ...(body !== undefined && { payload: body as object }),
    })
    const text = response.body
    return {
      status: response.statusCode,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    }
  }
  const manage: TestVault['manage'] = (as, method, path, body, headers) =>
    call(as, method, `${path}?api-version=${vaultManagementApiVersion}`, body, vaultManagementHost, headers)
  return {
    manage,
    putVault: (name, definition) => manage('controlPlane', 'PUT', `/vaults/${name}`, vaultDefinition(name, definition)),
    call,
    service,
    provider,
    clock,
    authority,
    transferKey,
    claims: {
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-sevsnpvm-reportdata': reportDataOf('one launch'),
      'x-ms-runtime': { 'vm-configuration': { vmUniqueId: vmId }, keys: [transferJwk] },
    },
    close: () => service.close(),
  }
}

/** Report data that bind the claims of one launch: SHA-256, then zeros. */
export const reportDataOf = (launch: string): string =>
  createHash('sha256').update(launch).digest('hex').padEnd(128, '0')

export function encodedPolicy(policy: unknown): string {
  return Buffer.from(JSON.stringify(policy)).toString('base64url')
}

export function keyRequest(
  o: Partial<KeyCreateRequest> = {},
  attestationType: 'sevsnpvm' | 'tdxvm' = 'sevsnpvm',
): KeyCreateRequest {
  return {
    kty: 'RSA-HSM',
    key_size: 2048,
    attributes: { exportable: true },
    release_policy: {
      data: encodedPolicy(platformKeyReleasePolicy({ authority: providerUrl, attestationType, vmId })),
      immutable: true,
    },
    ...o,
  }
}
