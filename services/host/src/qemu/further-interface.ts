import type { GuestInterface } from '@strongroom/contract'

/** Address of QEMU's DHCP server on an interface's network, and what it hands out. */
export interface Subnet {
  /** For example 10.0.1.0/24 */
  prefix: string
  gateway: string
  nameServer: string
  address: string
}

const numberOf = (text: string): number | undefined => {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}
const textOf = (address: number): string =>
  [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.')

/**
 * The subnet of an interface. Undefined if no machine of the subnet may have the address: Azure reserves a subnet's
 * first four addresses and the last, and here the first is the gateway's and the third the name server's.
 */
export function subnetFor(o: Pick<GuestInterface, 'privateIpAddress' | 'subnetPrefix'>): Subnet | undefined {
  const match = /^([\d.]{7,15})\/(\d{1,2})$/.exec(o.subnetPrefix)
  const [first, address] = [numberOf(match?.[1] ?? ''), numberOf(o.privateIpAddress)]
  const bits = Number(match?.[2] ?? 33)
  if (first === undefined || address === undefined || bits > 29 || bits < 1) return undefined
  const size = 2 ** (32 - bits)
  if (first % size !== 0 || address < first + 4 || address >= first + size - 1) return undefined
  return { prefix: o.subnetPrefix, gateway: textOf(first + 1), nameServer: textOf(first + 3), address: textOf(address) }
}

/**
 * QEMU's arguments for the interfaces other than the primary one: each on an isolated network, where it gets its
 * address by DHCP. The metadata endpoint and SSH belong to the primary one.
 */
export function furtherInterfaceArguments(interfaces: readonly GuestInterface[]): string[] {
  return interfaces.flatMap((each, index) => {
    const subnet = subnetFor(each)
    if (subnet === undefined) throw new TypeError(`the interface ${each.macAddress} is in no subnet`)
    const id = `net${index + 1}`
    return [
      '-netdev',
      `user,id=${id},restrict=on,ipv6=off,net=${subnet.prefix},host=${subnet.gateway},dns=${subnet.nameServer},dhcpstart=${subnet.address}`,
      '-device',
      `virtio-net-pci,netdev=${id},mac=${each.macAddress.replaceAll('-', ':').toLowerCase()},romfile=`,
    ]
  })
}
