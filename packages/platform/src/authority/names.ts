import { isIPv4 } from 'node:net'
import { ascii, implicit, sequence, type NameAttributes } from '@strongroom/der'

const types = ['CN', 'O', 'OU'] as const

/**
 * The attributes of a distinguished name from `CN=…, O=…`, in order. Values are plain text: anything that RFC 4514
 * would escape is refused, so that a caller's text cannot become a second attribute. Longer than the 64 characters of
 * RFC 5280 appendix A, which nothing enforces: issuers are named by URL.
 */
export function distinguishedName(text: string): NameAttributes {
  return text.split(',').map((part) => {
    const [, found, value = ''] = /^\s*([A-Z]+)=([^=+"\\<>;#\p{Cc}]{1,255})$/u.exec(part) ?? []
    const type = types.find((each) => each === found)
    if (type === undefined || value.trim() !== value) throw new TypeError(`not a name for a certificate: ${text}`)
    return [type, value]
  })
}

/** GeneralNames (RFC 5280 section 4.2.1.6) of DNS names and IPv4 addresses. */
export function alternativeNames(o: { dnsNames: readonly string[]; ipAddresses: readonly string[] }): Uint8Array {
  return sequence(...o.dnsNames.map(dnsName), ...o.ipAddresses.map((address) => ipAddress(octets(address))))
}

export function dnsName(name: string): Uint8Array {
  if (!/^[A-Za-z0-9*._-]{1,253}$/.test(name)) throw new TypeError(`not a DNS name: ${name}`)
  return implicit(2, ascii(name))
}

/** @param content the address, followed by the mask in name constraints */
export function ipAddress(content: Uint8Array): Uint8Array {
  return implicit(7, content)
}

function octets(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError(`not an IPv4 address: ${address}`)
  return Buffer.from(address.split('.').map(Number))
}
