import { domain, managedHsmVaultName } from '@strongroom/contract'
import { badParameter, shown } from './errors.ts'

const namePattern = /^[a-z](?:[a-z0-9]|-(?!-)){1,22}[a-z0-9]$/
const hostEnd = `.vault.${domain}`

const hsmHostEnd = managedHsmVaultName('') + `.${domain}`

/** Name of the managed HSM that a host name (lower case, without port) refers to. */
export function hsmOfHost(host: string): string | undefined {
  const name = host.endsWith(hsmHostEnd) ? host.slice(0, -hsmHostEnd.length) : ''
  return isVaultName(name) ? name : undefined
}

/** Name of the vault that a host name (lower case, without port) refers to. */
export function vaultOfHost(host: string): string | undefined {
  const name = host.endsWith(hostEnd) ? host.slice(0, -hostEnd.length) : ''
  return isVaultName(name) ? name : undefined
}

/** Azure's rule for vault names, in lower case: 3 to 24 letters, digits and single hyphens, starting with a letter. */
export const isVaultName = (name: string): boolean => namePattern.test(name)

/** @throws ServiceError 400 BadParameter */
export function checkObjectName(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-zA-Z-]{1,127}$/.test(value)) return value
  throw badParameter(`The request URI contains an invalid name: ${shown(value)}`, {
    target: 'name',
    expected: '1 to 127 letters, digits and hyphens',
    found: shown(value),
  })
}

/** @throws ServiceError 400 BadParameter */
export function checkVersion(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-fA-F]{32}$/.test(value)) return value.toLowerCase()
  throw badParameter('The request URI contains an invalid version.', {
    target: 'version',
    expected: '32 hexadecimal digits',
    found: shown(value),
  })
}

/** Form in which names are stored and compared. */
export const folded = (name: string): string => name.toLowerCase()
