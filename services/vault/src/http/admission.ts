import {
  ServiceError,
  type Logger,
  type requireBearer,
  type TokenVerifier,
  type VirtualHost,
} from '@strongroom/platform'
import type { KeyPermission, VaultAccess } from '../access.ts'
import { shown } from '../errors.ts'
import type { Keys } from '../keys/keys.ts'
import { checkKeyName, checkKeyVersion, folded, vaultOfHost } from '../keys/names.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { OperationLog } from '../log/operation-log.ts'
import type { KeyRelease } from '../release/release.ts'

export type App = VirtualHost['app']
export type Request = Parameters<ReturnType<typeof requireBearer>>[0]

export interface AppParts {
  keys: Keys
  release: KeyRelease
  repository: KeyRepository
  access: VaultAccess
  log: OperationLog
  verifier: TokenVerifier
  tenantId: string
  logger: Logger
}

/** Vault, name and version of a request whose caller has the permission. */
export interface Admitted {
  vault: string
  name: string
  version: string | undefined
}

/**
 * Every route calls this first. A caller without the permission is refused and recorded.
 * @throws ServiceError 404 VaultNotFound, 400 BadParameter, 403 Forbidden, 503 OperationLogUnavailable
 */
export async function admit(parts: AppParts, request: Request, permission: KeyPermission): Promise<Admitted> {
  const vault = existingVault(parts.access, request.hostname)
  const params = request.params as { name?: string; version?: string }
  const name = params.name === undefined ? '' : checkKeyName(params.name)
  const version = params.version === undefined ? undefined : checkKeyVersion(params.version)
  try {
    parts.access.require(request.caller, vault, permission)
  } catch (error) {
    const { objectId, appId } = request.caller
    await parts.log.append({
      objectId,
      appId,
      operation: permission,
      vault,
      keyName: folded(name),
      verdict: 'refused',
      code: error instanceof ServiceError ? error.code : 'InternalError',
      ...(version !== undefined && { keyVersion: version }),
    })
    throw error
  }
  return { vault, name, version }
}

function existingVault(access: VaultAccess, host: string): string {
  const vault = vaultOfHost(host.toLowerCase())
  if (vault !== undefined && access.vaultExists(vault)) return vault
  throw new ServiceError({
    code: 'VaultNotFound',
    status: 404,
    message: `There is no vault at ${shown(host)}; on Azure this name would not resolve.`,
    target: shown(host),
    remedy: 'Check the name of the vault.',
  })
}
