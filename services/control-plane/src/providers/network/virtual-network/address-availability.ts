import { ServiceError } from '@strongroom/platform'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import { ok, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../types/plane.ts'
import { formatAddress, isUsable, parseAddress, parseCidr } from './cidr.ts'
import { subnetsOf } from './virtual-networks.ts'

const type = 'Microsoft.Network/virtualNetworks'
/** As many as Azure shows. */
const shown = 5

/** `az network vnet check-ip-address`: whether a private address is free, and which in its subnet are. */
export function addressAvailabilityRoutes(plane: Plane): Route[] {
  return [
    route.get(
      `${groupPath}/providers/${type}/{name}/CheckIPAddressAvailability`,
      `${type}/checkIpAddressAvailability/read`,
      async (request) => ok(await availability(plane, request)),
    ),
  ]
}

async function availability(plane: Plane, request: ArmRequest): Promise<Record<string, unknown>> {
  const network = await plane.resources.get(request.path.split('/').slice(0, 9).join('/'))
  const given = request.query['ipaddress'] ?? ''
  const address = parseAddress(given)
  if (address === undefined) throw invalid(given)
  for (const subnet of subnetsOf(network)) {
    const cidr = parseCidr(subnet.properties.addressPrefix)
    if (cidr === undefined || address < cidr.first || address > cidr.last) continue
    const pool = plane.resources.db.selectFrom('address').select('address').where('pool', '=', keyOf(subnet.id))
    const taken = new Set((await pool.execute()).map((row) => row.address))
    const free: string[] = []
    for (let next = cidr.first; next <= cidr.last && free.length < shown; next += 1)
      if (isUsable(cidr, next) && !taken.has(formatAddress(next))) free.push(formatAddress(next))
    const available = isUsable(cidr, address) && !taken.has(given)
    return { available, availableIPAddresses: available ? [] : free, isPlatformReserved: !isUsable(cidr, address) }
  }
  throw new ServiceError({
    code: 'PrivateIPAddressNotInAnySubnet',
    message: `Private static IP address ${given} does not belong to the range of any subnet in the virtual network ${network.name}.`,
    target: 'ipAddress',
    expected: subnetsOf(network)
      .map((subnet) => subnet.properties.addressPrefix)
      .join(', '),
    found: given,
    remedy: 'Use an address of one of the subnets.',
  })
}

const invalid = (given: string): ServiceError =>
  new ServiceError({
    code: 'InvalidIPAddressFormat',
    message: `'${given.slice(0, 60)}' is not a valid IPv4 address.`,
    target: 'ipAddress',
    expected: 'for example 10.0.0.9',
    found: given.slice(0, 60),
    remedy: 'Send ?ipAddress=10.0.0.9.',
  })
