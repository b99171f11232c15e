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
import { checkKeyName, checkKeyVersion, vaultOfHost } from '../keys/names.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { KeyRelease } from '../release/release.ts'

export type App = VirtualHost['app']
export type Request = Parameters<ReturnType<typeof requireBearer>>[0]

export interface AppParts {
  keys: Keys
  release: KeyRelease
  repository: KeyRepository
  access: VaultAccess
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
 * Every route calls this first.
 * @throws ServiceError 404 VaultNotFound, 403 Forbidden, 400 BadParameter
 */
export function admit(parts: AppParts, request: Request, permission: KeyPermission): Admitted {
  const vault = existingVault(parts.access, request.hostname)
  parts.access.require(request.caller, vault, permission)
  const { name, version } = request.params as { name?: string; version?: string }
  return {
    vault,
    name: name === undefined ? '' : checkKeyName(name),
    version: version === undefined ? undefined : checkKeyVersion(version),
  }
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
