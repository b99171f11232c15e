import { managedHsmVaultName } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { requireLocalRole } from '../access/hsm-access.ts'
import type { Activation } from '../hsm/activation.ts'
import type { FullBackups } from '../hsm/full-backup.ts'
import type { LocalRoles } from '../hsm/local-roles.ts'
import type { HsmRepository } from '../hsm/repository.ts'
import type { LogEntry } from '../log/entry.ts'
import { whoOf } from '../log/who.ts'
import type { HsmAccess } from '../vaults/vault.ts'
import { existingVault, isLoggedRefusal, type AppParts, type Request } from './admission.ts'
import { apiVersionOf } from './request.ts'

export interface HsmAppParts extends AppParts {
  hsmRepository: HsmRepository
  roles: LocalRoles
  activation: Activation
  fullBackups: FullBackups
}

/**
 * Where a client polls the operation it started; clients append no api-version. The host is spelled as in the request:
 * Azure's library for security domains identifies its challenge by the host's exact text, and would otherwise resend
 * its request.
 */
export async function pendingUrl(parts: HsmAppParts, request: Request, path: string): Promise<string> {
  const { resourceId } = await existingVault(parts.access, request.hostname)
  const [label = '', ...rest] = request.hostname.split('.')
  const named = resourceId.split('/').at(-1) ?? ''
  const host = [named.toLowerCase() === label.toLowerCase() ? named : label, ...rest].join('.')
  return `https://${host}${path}/pending?api-version=${apiVersionOf(request.query)}`
}

/**
 * `admit` for everything in a managed HSM other than keys: the caller needs a local role with this data action.
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
  try {
    requireLocalRole(hsm, request.caller, o.action, o.scope ?? '/')
  } catch (error) {
    // As in `admit`.
    parts.rates?.take(vault.name, 'refusals')
    await parts.refusals.append(refusalOf(request, vault.name, o.action, error))
    throw error
  }
  apiVersionOf(request.query)
  return hsm
}

/** `admitChange` for managed HSMs: refusals of permitted callers are logged as well. */
export async function admitHsmChange<T>(
  parts: HsmAppParts,
  request: Request,
  o: { action: string; scope?: string },
  work: (hsm: HsmAccess) => Promise<T>,
): Promise<T> {
  const hsm = await admitToHsm(parts, request, o)
  try {
    return await work(hsm)
  } catch (error) {
    if (!isLoggedRefusal(error)) throw error
    await parts.log.append(refusalOf(request, managedHsmVaultName(hsm.name), o.action, error))
    throw error
  }
}

function refusalOf({ caller }: Request, vault: string, action: string, error: unknown): LogEntry {
  return {
    ...whoOf(caller),
    operation: action.replace(/\/action$/, ''),
    vault,
    keyName: '',
    verdict: 'refused',
    code: error instanceof ServiceError ? error.code : 'InternalError',
  }
}
