import { ServiceError } from '@strongroom/platform'
import type { NetworkKind } from './provider.ts'
import { takePublicAddress } from './address-pool.ts'

export const publicAddresses: NetworkKind = {
  name: 'publicIPAddresses',
  async complete({ tx, id, fields, given, existing }) {
    const properties = fields.object('properties')
    properties.oneOf('publicIPAllocationMethod', ['Static', 'Dynamic'])
    if (properties.oneOf('publicIPAddressVersion', ['IPv4', 'IPv6']) === 'IPv6') {
      fields.problem({
        code: 'IPv6NotSupported',
        status: 400,
        message: 'Public addresses of this installation are IPv4.',
        target: properties.at('publicIPAddressVersion'),
        expected: 'IPv4',
        found: 'IPv6',
        remedy: 'Leave publicIPAddressVersion out.',
      })
    }
    const old = existing?.body.properties
    const ipAddress =
      old?.['ipAddress'] ?? (fields.problems.length > 0 ? '' : await takePublicAddress(tx, id.toLowerCase()))
    return {
      publicIPAllocationMethod: 'Static',
      publicIPAddressVersion: 'IPv4',
      idleTimeoutInMinutes: 4,
      ...given,
      ipAddress,
      // Set by the interface that holds the address, never by the request.
      ipConfiguration: old?.['ipConfiguration'],
    }
  },
  async assertUnused(_tx, address) {
    const user = (address.body.properties['ipConfiguration'] as { id?: string } | undefined)?.id
    if (user === undefined) return
    throw new ServiceError({
      code: 'PublicIPAddressCannotBeDeleted',
      status: 400,
      message: `Public IP address ${address.id} can not be deleted since it is still allocated to resource ${user}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.`,
      found: user,
      remedy: 'Delete the network interface first.',
    })
  },
}
