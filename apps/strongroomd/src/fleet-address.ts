import { ServiceError, type FleetAddress } from '@strongroom/platform'

/** ADDRESS:PORT; an IPv6 address is in brackets. @throws ServiceError InvalidArgument */
export function parseFleetAddress(text: string | undefined): FleetAddress | undefined {
  if (text === undefined) return undefined
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? plain
  const port = Number(digits)
  if (address !== undefined && port > 0 && port < 65536) return { address, port }
  throw new ServiceError({
    code: 'InvalidArgument',
    message: `'${text.slice(0, 100)}' is not an address for hosts.`,
    expected: 'ADDRESS:PORT, for example 10.0.0.1:8444',
    found: text.slice(0, 100),
    remedy: 'Set --fleet-address to an address of this machine that hosts can reach, and a free port.',
  })
}

/** As it was given. */
export const fleetAddressOf = ({ address, port }: FleetAddress): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
