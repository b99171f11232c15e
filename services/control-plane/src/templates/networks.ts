import { formatAddress, parseAddress, parseCidr } from '../providers/network/virtual-network/cidr.ts'
import { TemplateError } from './template-error.ts'
import { textOf, type Value } from './values.ts'

/** Parses an IPv4 network; bits after the prefix are cleared, as in Azure's functions. */
function networkOf(name: string, value: Value): { first: number; last: number; bits: number } {
  const [address = '', prefix = ''] = typeof value === 'string' ? value.split('/') : []
  const at = parseAddress(address)
  const size = 2 ** (32 - Number(prefix))
  const found = at === undefined ? undefined : parseCidr(`${formatAddress(Math.floor(at / size) * size)}/${prefix}`)
  if (found !== undefined) return found
  throw new TemplateError(`The template function '${name}' expects an IPv4 network`, {
    expected: 'for example 10.0.0.0/16',
    found: textOf(value).slice(0, 60),
  })
}

function whole(name: string, value: Value, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new TemplateError(`The template function '${name}' expects a whole number`, {
    expected: `${least} to ${most}`,
    found: textOf(value).slice(0, 60),
  })
}

const mask = (bits: number): number => 2 ** 32 - 2 ** (32 - bits)

/** Functions over IPv4 networks. IPv6 is not supported. */
export const networkFunctions: Record<string, (args: Value[], name: string) => Value> = {
  parsecidr: ([a], n) => {
    const { first, last, bits } = networkOf(n, a)
    // Networks of one or two addresses have neither a broadcast address nor separate hosts (RFC 3021).
    const plain = bits < 31
    return {
      network: formatAddress(first),
      netmask: formatAddress(mask(bits)),
      ...(plain && { broadcast: formatAddress(last) }),
      firstUsable: formatAddress(plain ? first + 1 : first),
      lastUsable: formatAddress(plain ? last - 1 : last),
      cidr: bits,
    }
  },
  cidrsubnet: ([a, b, c], n) => {
    const { first, bits } = networkOf(n, a)
    const wanted = whole(n, b, bits, 32)
    const index = whole(n, c, 0, 2 ** (wanted - bits) - 1)
    return `${formatAddress(first + index * 2 ** (32 - wanted))}/${wanted}`
  },
  cidrhost: ([a, b], n) => {
    const { first, last, bits } = networkOf(n, a)
    const skipped = bits < 31 ? 1 : 0
    return formatAddress(first + skipped + whole(n, b, 0, last - first - 2 * skipped))
  },
}
