import { ServiceError } from '@strongroom/platform'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db } from '../../../store/resources.ts'
import { subnetsOf, type Subnet } from './virtual-networks.ts'

const networkType = 'microsoft.network/virtualnetworks'

/** The subnet, with its network locked until the transaction ends. */
export async function findSubnet(plane: Plane, tx: Db, id: string): Promise<Subnet | undefined> {
  const network = await plane.resources.lock(tx, id.split('/').slice(0, 9).join('/'))
  return network?.type === networkType ? subnetsOf(network).find((subnet) => keyOf(subnet.id) === keyOf(id)) : undefined
}

/**
 * Assigns a public address to its holder: an interface's configuration, or a load balancer's frontend. @throws
 * ServiceError PublicIPAddressInUse
 */
export async function attachPublicAddress(
  plane: Plane,
  tx: Db,
  addressId: string,
  configurationId: string,
): Promise<void> {
  await plane.resources.change(tx, addressId, (address) => {
    const holder = (address.body.properties['ipConfiguration'] as { id?: string } | undefined)?.id
    if (holder !== undefined && keyOf(holder) !== keyOf(configurationId)) {
      throw new ServiceError({
        code: 'PublicIPAddressInUse',
        message:
          `Resource ${configurationId} is referencing public IP address ${address.id} that is already allocated to ` +
          `resource ${holder}.`,
        found: holder,
        remedy: 'Use another public IP address.',
      })
    }
    address.body.properties['ipConfiguration'] = { id: configurationId }
  })
}

/** Releases a public address from its holder. */
export async function detachPublicAddress(
  plane: Plane,
  tx: Db,
  addressId: string,
  configurationId: string,
): Promise<void> {
  await plane.resources.change(tx, addressId, (address) => {
    const holder = (address.body.properties['ipConfiguration'] as { id?: string } | undefined)?.id
    if (holder !== undefined && keyOf(holder) === keyOf(configurationId))
      delete address.body.properties['ipConfiguration']
  })
}
