import { isIPv4 } from 'node:net'
import { der, oid, sequence } from './der.ts'

const attributes: Record<string, string> = { CN: '2.5.4.3', O: '2.5.4.10', OU: '2.5.4.11' }

/**
 * A distinguished name from `CN=…, O=…`, in the order in which it is written. Values are plain text: what RFC 4514
 * would have escaped is refused, so that a caller's text cannot become a second attribute. Longer than the 64 signs
 * of RFC 5280 appendix A, which nothing enforces: issuers are named by their URL.
 */
export function distinguishedName(text: string): Buffer {
  return sequence(
    ...text.split(',').map((part) => {
      const [, type = '', value = ''] = /^\s*([A-Z]+)=([^=+"\\<>;#\p{Cc}]{1,255})$/u.exec(part) ?? []
      const attribute = attributes[type]
      if (attribute === undefined || value.trim() !== value)
        throw new TypeError(`not a name for a certificate: ${text}`)
      return der(0x31, sequence(oid(attribute), der(0x0c, Buffer.from(value, 'utf8'))))
    }),
  )
}

/** GeneralNames (RFC 5280 section 4.2.1.6) of DNS names and IPv4 addresses. */
export function alternativeNames(o: { dnsNames: readonly string[]; ipAddresses: readonly string[] }): Buffer {
  return sequence(...o.dnsNames.map(dnsName), ...o.ipAddresses.map((address) => ipAddress(octets(address))))
}

export function dnsName(name: string): Buffer {
  if (!/^[A-Za-z0-9*._-]{1,253}$/.test(name)) throw new TypeError(`not a DNS name: ${name}`)
  return der(0x82, Buffer.from(name, 'ascii'))
}

/** @param content the address, followed by the mask in name constraints */
export function ipAddress(content: Uint8Array): Buffer {
  return der(0x87, content)
}

function octets(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError(`not an IPv4 address: ${address}`)
  return Buffer.from(address.split('.').map(Number))
}
