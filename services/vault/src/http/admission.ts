import { managedHsmVaultName, platformVault } from '@strongroom/contract'
import {
  callerAddress,
  ServiceError,
  type Logger,
  type requireBearer,
  type TokenVerifier,
  type VirtualHost,
} from '@strongroom/platform'
import type { Permission } from '../access/permissions.ts'
import type { KeyAttestation } from '../attestation/key-attestation.ts'
import type { VaultAccess } from '../access/vault-access.ts'
import type { CertificateBackups } from '../certificates/backup.ts'
import type { Certificates } from '../certificates/certificates.ts'
import type { PendingCertificates } from '../certificates/pending.ts'
import type { CertificateRepository } from '../certificates/repository.ts'
import { shown } from '../core/errors.ts'
import type { CryptoOperations } from '../keys/crypto-operations.ts'
import type { KeyVersion } from '../keys/key-version.ts'
import type { Keys } from '../keys/keys.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { Rotation } from '../keys/rotation.ts'
import type { LogEntry } from '../log/entry.ts'
import type { Refusals } from '../log/refusals.ts'
import { whoOf } from '../log/who.ts'
import type { OperationLog } from '../log/operation-log.ts'
import type { Backups } from '../objects/backup.ts'
import { checkObjectName, checkVersion, folded, hsmOfHost, vaultOfHost } from '../core/names.ts'
import type { ObjectRepository } from '../objects/repository.ts'
import type { Authorities } from '../release/authorities.ts'
import type { KeyRelease } from '../release/release.ts'
import type { SecretVersion } from '../secrets/secret-version.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { KeyVersionRow, SecretVersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import type { RateLimits } from './rate-limits.ts'
import { apiVersionOf } from './request.ts'

export type App = VirtualHost['app']
export type Request = Parameters<ReturnType<typeof requireBearer>>[0]

export interface AppParts {
  keys: Keys
  keyRepository: KeyRepository
  keyBackups: Backups<KeyVersion, KeyVersionRow>
  crypto: CryptoOperations
  rotation: Rotation
  attestations: KeyAttestation
  /** Authorities whose tokens are accepted. */
  authorities: Authorities
  release: KeyRelease
  secrets: Secrets
  secretRepository: ObjectRepository<SecretVersion, SecretVersionRow>
  secretBackups: Backups<SecretVersion, SecretVersionRow>
  certificates: Certificates
  certificateRepository: CertificateRepository
  certificateBackups: CertificateBackups
  pendingCertificates: PendingCertificates
  access: VaultAccess
  log: OperationLog
  refusals: Refusals
  controlPlaneObjectId: string
  /** Undefined disables counting. */
  rates: RateLimits | undefined
  verifier: TokenVerifier
  tenantId: string
  logger: Logger
}

/** Kinds that prefix their permissions; those of keys have no prefix. */
const kinds = ['secrets', 'certificates'] as const

/** Vault, name and version of a request whose caller has permission. */
export interface Admitted {
  vault: Vault
  /** Empty if the request is about the vault. */
  name: string
  version: string | undefined
}

/**
 * Every route calls this first. A caller without the permission is refused and recorded.
 * @throws ServiceError 404 VaultNotFound, 400 BadParameter, 403 Forbidden, 429 Throttled, 503 OperationLogUnavailable
 */
export async function admit(parts: AppParts, request: Request, permission: Permission): Promise<Admitted> {
  const vault = await existingVault(parts.access, request.hostname)
  const params = request.params as { name?: string; version?: string }
  const name = params.name === undefined ? '' : checkObjectName(params.name)
  const version = params.version === undefined ? undefined : checkVersion(params.version)
  const kind = kinds.find((each) => permission.startsWith(`${each}/`)) ?? 'keys'
  const object = name === '' ? '' : `${kind}/${folded(name)}`
  const { caller } = request
  // The platform's hosts must not be throttled.
  const rates = vault.name === platformVault ? undefined : parts.rates
  try {
    parts.access.require({ caller, vault, permission, object, address: callerAddress(request.raw.socket) })
  } catch (error) {
    // Callers without permission do not use up others' rate, or keep the vault's log busy.
    rates?.take(vault.name, 'refusals')
    await parts.refusals.append(refusalOf(request, { vault, name, version }, permission, error))
    throw error
  }
  rates?.take(vault.name, permission)
  return { vault, name, version }
}

/**
 * A request that changes something: `admit`, then `work`. Refusals of permitted callers (an immutable policy, a purge
 * under purge protection) are logged as well.
 */
export async function admitChange<T>(
  parts: AppParts,
  request: Request,
  permission: Permission,
  work: (place: Admitted) => Promise<T>,
): Promise<T> {
  const place = await admit(parts, request, permission)
  try {
    apiVersionOf(request.query)
    return await work(place)
  } catch (error) {
    if (!isLoggedRefusal(error)) throw error
    await parts.log.append(refusalOf(request, place, permission, error))
    throw error
  }
}

/** A missing object is no refusal, and a log that cannot be written has refused already. */
export function isLoggedRefusal(error: unknown): error is ServiceError {
  return error instanceof ServiceError && error.status !== 404 && !error.code.startsWith('OperationLog')
}

function refusalOf(
  { caller }: Request,
  { vault, name, version }: Admitted,
  permission: Permission,
  error: unknown,
): LogEntry {
  return {
    ...whoOf(caller),
    operation: permission,
    vault: vault.name,
    keyName: folded(name),
    verdict: 'refused',
    code: error instanceof ServiceError ? error.code : 'InternalError',
    ...(version !== undefined && { keyVersion: version }),
  }
}

export async function existingVault(access: VaultAccess, host: string): Promise<Vault> {
  const hsm = hsmOfHost(host.toLowerCase())
  const name = hsm === undefined ? vaultOfHost(host.toLowerCase()) : managedHsmVaultName(hsm)
  const vault = name === undefined ? undefined : await access.find(name)
  if (vault) return vault
  throw new ServiceError({
    code: 'VaultNotFound',
    message: `There is no vault at ${shown(host)}; on Azure this name would not resolve.`,
    target: shown(host),
    remedy: 'Check the name of the vault, or recover it if it was deleted.',
  })
}
