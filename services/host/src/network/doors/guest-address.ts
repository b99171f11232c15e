import { createHash } from 'node:crypto'

/**
 * The loopback address that a guest’s connections to the installation come from: one of 127.64.0.0/10 per VM, the same
 * at each boot. Limits by address thus limit the guest, which cannot choose it: the host connects on its behalf
 * (`connectForGuest`). Other programs on the host count as 127.0.0.1, whichever address they bind.
 */
export function guestAddress(vmId: string): string {
  const [a, b, c] = createHash('sha256').update(`guest ${vmId.toLowerCase()}`).digest()
  // Neither the first nor the last address of a network.
  return ['127', 64 + (a! & 63), b!, 1 + (c! % 254)].join('.')
}
