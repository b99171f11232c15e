import type { Allocation } from '../resource/provider.ts'
import { randomBytes } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import type { Db } from '../../../store/resources.ts'
import { insertIfAbsent } from '../../../store/rows.ts'
import { formatAddress, isUsable, parseAddress, parseCidr, type Cidr } from './cidr.ts'

/**
 * Public addresses come from the three blocks that RFC 5737 reserves for documentation: unique in the installation, and
 * leading nowhere. SSH uses the port that retrieveConnection returns.
 */
const publicBlocks: Cidr[] = ['203.0.113.0/24', '198.51.100.0/24', '192.0.2.0/24'].map((text) => parseCidr(text)!)

/** How many there are. */
export const publicAddressCount: number = publicBlocks.reduce((sum, { first, last }) => sum + last - first - 1, 0)

/** Takes one address for `owner`; false if another has it. The primary key decides between concurrent requests. */
async function take(tx: Db, pool: string, address: string, owner: string): Promise<boolean> {
  return await insertIfAbsent(tx.insertInto('address').values({ pool, address, owner }))
}

async function takeFirstFree(
  tx: Db,
  pool: string,
  owner: string,
  candidates: Iterable<number>,
): Promise<string | undefined> {
  const rows = await tx.selectFrom('address').select('address').where('pool', '=', pool).execute()
  const taken = new Set(rows.map((row) => row.address))
  for (const candidate of candidates) {
    const address = formatAddress(candidate)
    if (!taken.has(address) && (await take(tx, pool, address, owner))) return address
  }
  return undefined
}

function* usable(network: Cidr): Generator<number> {
  for (let address = network.first; address <= network.last; address += 1) {
    if (isUsable(network, address)) yield address
  }
}

function* hosts(): Generator<number> {
  for (const block of publicBlocks)
    for (let address = block.first + 1; address < block.last; address += 1) yield address
}

/** @throws ServiceError SubnetIsFull */
async function takePrivateAddress(tx: Db, o: { subnetKey: string; prefix: string; owner: string }): Promise<string> {
  const network = parseCidr(o.prefix)
  if (network === undefined) throw new TypeError(`not a network: ${o.prefix}`)
  const address = await takeFirstFree(tx, o.subnetKey, o.owner, usable(network))
  if (address !== undefined) return address
  throw new ServiceError({
    code: 'SubnetIsFull',
    message: `Subnet with address prefix ${o.prefix} does not have enough capacity for 1 IP addresses.`,
    target: 'properties.ipConfigurations',
    remedy: 'Delete network interfaces of the subnet, or use another subnet.',
  })
}

/** @throws ServiceError SubnetIsFull, PrivateIPAddressNotInSubnet; PrivateIPAddressInUse for a static address */
export async function takeAddress(
  tx: Db,
  o: { subnetKey: string; prefix: string; owner: string },
  { wanted, preferred }: Pick<Allocation, 'wanted' | 'preferred'>,
): Promise<string> {
  if (wanted !== undefined) return await takeStaticAddress(tx, { ...o, address: wanted })
  if (preferred === undefined) return await takePrivateAddress(tx, o)
  try {
    return await takeStaticAddress(tx, { ...o, address: preferred })
  } catch (error) {
    if ((error as ServiceError).code !== 'PrivateIPAddressInUse') throw error
    return await takePrivateAddress(tx, o)
  }
}

/** @throws ServiceError PrivateIPAddressNotInSubnet, PrivateIPAddressInUse */
async function takeStaticAddress(
  tx: Db,
  o: { subnetKey: string; prefix: string; owner: string; address: string },
): Promise<string> {
  const network = parseCidr(o.prefix)
  const number = parseAddress(o.address)
  if (network === undefined || number === undefined || !isUsable(network, number)) {
    throw new ServiceError({
      code: 'PrivateIPAddressNotInSubnet',
      message: `Private static IP address ${o.address} does not belong to the range of subnet prefix ${o.prefix}.`,
      expected: `a free address of ${o.prefix}; its first four and its last one are reserved`,
      found: o.address,
      remedy: 'Choose another address, or leave it out.',
    })
  }
  if (await take(tx, o.subnetKey, o.address, o.owner)) return o.address
  throw new ServiceError({
    code: 'PrivateIPAddressInUse',
    message: `Private IP address ${o.address} is already allocated.`,
    remedy: 'Choose another address, or leave it out.',
  })
}

/** @throws ServiceError PublicIPCountLimitReached */
export async function takePublicAddress(tx: Db, owner: string): Promise<string> {
  const address = await takeFirstFree(tx, 'public', owner, hosts())
  if (address !== undefined) return address
  throw new ServiceError({
    code: 'PublicIPCountLimitReached',
    message: 'Cannot create more than 762 public IP addresses in this installation.',
    remedy: 'Delete public IP addresses that are not used.',
  })
}

/** A locally administered unicast address, unique in the installation, in Azure's form 02-53-52-XX-XX-XX. */
export async function takeMacAddress(tx: Db, owner: string): Promise<string> {
  for (;;) {
    const tail = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
    const mac = ['02', '53', '52', ...tail].join('-')
    if (await take(tx, 'mac', mac, owner)) return mac
  }
}

export async function release(tx: Db, pool: string, address: string): Promise<void> {
  await tx.deleteFrom('address').where('pool', '=', pool).where('address', '=', address).execute()
}
