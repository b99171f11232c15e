/** An IPv4 network. Addresses are unsigned 32-bit numbers. */
export interface Cidr {
  first: number
  last: number
  bits: number
}

/** Undefined unless the text is a dotted-quad address without leading zeros. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export const formatAddress = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')

/** Undefined if the text is not a network, or has bits set after its prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, prefix, rest] = text.split('/')
  if (address === undefined || prefix === undefined || rest !== undefined || !/^([0-9]|[12][0-9]|3[0-2])$/.test(prefix))
    return undefined
  const first = parseAddress(address)
  const bits = Number(prefix)
  const size = 2 ** (32 - bits)
  if (first === undefined || first % size !== 0) return undefined
  return { first, last: first + size - 1, bits }
}

export const contains = (outer: Cidr, inner: Cidr): boolean => outer.first <= inner.first && inner.last <= outer.last
export const overlaps = (a: Cidr, b: Cidr): boolean => a.first <= b.last && b.first <= a.last

/** Azure reserves a subnet's first four addresses and its last one. */
export function isUsable(network: Cidr, address: number): boolean {
  return address >= network.first + 4 && address < network.last
}
