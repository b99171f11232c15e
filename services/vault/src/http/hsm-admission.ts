import { ServiceError } from '@strongroom/platform'
import type { Activation } from '../hsm/activation.ts'
import type { FullBackups } from '../hsm/full-backup.ts'
import { requireLocalRole, type HsmAccess } from '../hsm/local-access.ts'
import type { LocalRoles } from '../hsm/local-roles.ts'
import type { HsmRepository } from '../hsm/repository.ts'
import { existingVault, type AppParts, type Request } from './admission.ts'
import { apiVersionOf } from './request.ts'

export interface HsmAppParts extends AppParts {
  hsmRepository: HsmRepository
  roles: LocalRoles
  activation: Activation
  fullBackups: FullBackups
}

/** Where a client looks for the end of what it started; clients do not add an api-version to it. */
export function pendingUrl(request: Request, path: string): string {
  return `https://${request.hostname}${path}/pending?api-version=${apiVersionOf(request.query)}`
}

/**
 * What `admit` is for keys, for all else of a managed HSM: the caller needs a local role with this data action.
 * @throws ServiceError 404 VaultNotFound, 400 BadParameter, 403 Forbidden, 503 OperationLogUnavailable
 */
export async function admitToHsm(
  parts: HsmAppParts,
  request: Request,
  o: { action: string; scope?: string },
): Promise<HsmAccess> {
  const vault = await existingVault(parts.access, request.hostname)
  const { hsm } = vault
  if (!hsm) throw new TypeError('not the host of a managed HSM')
  const { caller } = request
  try {
    requireLocalRole(hsm, caller, o.action, o.scope ?? '/')
  } catch (error) {
    await parts.log.append({
      objectId: caller.objectId,
      appId: caller.appId,
      operation: o.action.replace(/\/action$/, ''),
      vault: vault.name,
      keyName: '',
      verdict: 'refused',
      code: error instanceof ServiceError ? error.code : 'InternalError',
    })
    throw error
  }
  apiVersionOf(request.query)
  return hsm
}
