import { domain } from '@strongroom/contract'
import { badParameter, shown } from '../errors.ts'

const hostPattern = new RegExp(`^([a-z](?:[a-z0-9]|-(?!-)){1,22}[a-z0-9])\\.vault\\.${domain.replaceAll('.', '\\.')}$`)

/** Name of the vault that a host name (lower case, without port) stands for. */
export function vaultOfHost(host: string): string | undefined {
  return hostPattern.exec(host)?.[1]
}

/** @throws ServiceError 400 BadParameter */
export function checkKeyName(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-zA-Z-]{1,127}$/.test(value)) return value
  throw badParameter('The request URI contains an invalid name.', {
    target: 'name',
    expected: '1 to 127 letters, digits and hyphens',
    found: shown(value),
  })
}

/** @throws ServiceError 400 BadParameter */
export function checkKeyVersion(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-fA-F]{32}$/.test(value)) return value.toLowerCase()
  throw badParameter('The request URI contains an invalid version.', {
    target: 'version',
    expected: '32 hexadecimal digits',
    found: shown(value),
  })
}

/** As names are kept and compared. */
export const folded = (name: string): string => name.toLowerCase()
