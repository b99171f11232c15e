import type { AnySpec } from '@strongroom/contract'
import { guestAddresses } from '../qemu/guest-network.ts'
import { keyLines } from './lines.ts'

/**
 * Settings for the guest's agent: lines of a key and a base64 value. A value can contain anything but is one line, so
 * it cannot add a key.
 */
export function provisioningLines(o: {
  spec: AnySpec
  caPem: string
  nonce: Uint8Array
  /** The guest has reported: from then on any of its programs may ask, and the password's hash is withheld. */
  reported: boolean
  /** How many disks and network interfaces it has beside the first of each: the guest reports once it has found them. */
  furtherDevices?: number
}): string {
  const { spec } = o
  const { passwordHash } = spec.osProfile
  const entries: [string, string | Uint8Array][] = [
    ['hostname', spec.osProfile.computerName],
    ['adminUsername', spec.osProfile.adminUsername],
    ...spec.osProfile.sshPublicKeys.map((key): [string, string] => ['sshPublicKey', key]),
    ['vmId', spec.vmId],
    ...(spec.osProfile.customData === undefined
      ? []
      : [['customData', Buffer.from(spec.osProfile.customData, 'base64')] satisfies [string, Uint8Array]]),
    ...(passwordHash === undefined || o.reported ? [] : [['passwordHash', passwordHash] satisfies [string, string]]),
    ['caPem', o.caPem],
    ['proxy', `http://${guestAddresses.services}:${guestAddresses.proxyPort}`],
    ...(o.furtherDevices ? [['furtherDevices', String(o.furtherDevices)] satisfies [string, string]] : []),
    ['nonce', o.nonce],
  ]
  return keyLines(entries)
}
