import type { AnySpec } from '@strongroom/contract'
import { guestAddresses } from '../qemu/arguments.ts'

/**
 * What the guest's agent is told: lines of a key and a value in base64. A value may hold anything but is one line, so no
 * value can add a key.
 */
export function provisioningLines(o: { spec: AnySpec; caPem: string; nonce: Uint8Array }): string {
  const { spec } = o
  const entries: [string, string | Uint8Array][] = [
    ['hostname', spec.osProfile.computerName],
    ['adminUsername', spec.osProfile.adminUsername],
    ...spec.osProfile.sshPublicKeys.map((key): [string, string] => ['sshPublicKey', key]),
    ['vmId', spec.vmId],
    ...(spec.osProfile.customData === undefined
      ? []
      : [['customData', Buffer.from(spec.osProfile.customData, 'base64')] satisfies [string, Uint8Array]]),
    ['caPem', o.caPem],
    ['proxy', `http://${guestAddresses.services}:${guestAddresses.proxyPort}`],
    ['nonce', o.nonce],
  ]
  return `${entries.map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join('\n')}\n`
}
