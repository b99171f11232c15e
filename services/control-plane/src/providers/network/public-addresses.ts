import { domain } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../../arm/fields.ts'
import type { Db, Json } from '../../store/resources.ts'
import { publicAddressMembers } from './resource/network-members.ts'
import type { NetworkKind } from './resource/provider.ts'
import { takePublicAddress } from './virtual-network/address-pool.ts'

const type = 'microsoft.network/publicipaddresses'

export const publicAddresses: NetworkKind = {
  name: 'publicIPAddresses',
  members: publicAddressMembers,
  async complete(_plane, { tx, id, location, fields, given, existing }) {
    const properties = fields.object('properties')
    properties.oneOf('publicIPAllocationMethod', ['Static', 'Dynamic'])
    properties.oneOf('deleteOption', ['Delete', 'Detach'])
    if (properties.oneOf('publicIPAddressVersion', ['IPv4', 'IPv6']) === 'IPv6') {
      fields.problem({
        code: 'IPv6NotSupported',
        message: 'Public addresses of this installation are IPv4.',
        target: properties.at('publicIPAddressVersion'),
        expected: 'IPv4',
        found: 'IPv6',
        remedy: 'Leave publicIPAddressVersion out.',
      })
    }
    const dnsSettings = await readDnsSettings(tx, properties.object('dnsSettings'), { id, location })
    const old = existing?.body.properties
    const ipAddress =
      old?.['ipAddress'] ?? (fields.problems.length > 0 ? '' : await takePublicAddress(tx, id.toLowerCase()))
    return {
      publicIPAllocationMethod: 'Static',
      publicIPAddressVersion: 'IPv4',
      idleTimeoutInMinutes: 4,
      ...given,
      ...(dnsSettings !== undefined && { dnsSettings }),
      ipAddress,
      // Set by the interface that holds the address, never by the request.
      ipConfiguration: old?.['ipConfiguration'],
    }
  },
  async assertUnused(_plane, _tx, address) {
    const user = (address.body.properties['ipConfiguration'] as { id?: string } | undefined)?.id
    if (user === undefined) return
    throw new ServiceError({
      code: 'PublicIPAddressCannotBeDeleted',
      message:
        `Public IP address ${address.id} can not be deleted since it is still allocated to resource ${user}. In ` +
        'order to delete the public IP, disassociate/detach the Public IP address from the resource.',
      found: user,
      remedy: 'Delete the network interface first.',
    })
  },
}

const labelForm = /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/

/** Azure's name for a label, unique in its region. No name server answers for it: the address leads nowhere. */
async function readDnsSettings(
  tx: Db,
  settings: Fields,
  o: { id: string; location: string },
): Promise<Json | undefined> {
  const label = settings.text('domainNameLabel')
  if (label === undefined) return undefined
  const fqdn = `${label}.${o.location}.cloudapp.${domain}`
  if (!labelForm.test(label))
    settings.problem({
      code: 'InvalidDomainNameLabel',
      message:
        `The domain name label ${label.slice(0, 80)} is invalid. It must conform to the following regular ` +
        `expression: ${labelForm.source}.`,
      target: settings.at('domainNameLabel'),
      expected: '3 to 63 lower-case letters, digits and hyphens',
      found: label.slice(0, 80),
      remedy: 'Use another label.',
    })
  const rows = await tx.selectFrom('resource').select(['key', 'body']).where('type', '=', type).execute()
  const taken = rows.find(({ key, body }) => key !== o.id.toLowerCase() && body.includes(`"fqdn":"${fqdn}"`))
  if (taken !== undefined)
    settings.problem({
      code: 'DnsRecordInUse',
      message: `DNS record ${fqdn} is already used by another public IP.`,
      target: settings.at('domainNameLabel'),
      expected: 'a label that is unused in the region',
      found: label.slice(0, 80),
      remedy: 'Use another label.',
    })
  return { domainNameLabel: label, fqdn }
}
