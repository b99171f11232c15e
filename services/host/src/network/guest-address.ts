import { createHash } from 'node:crypto'

/**
 * The loopback address that a guest’s connections to the installation come from: one of 127.64.0.0/10 for each VM, the same
 * at each boot. Whoever limits by address limits the guest, and the guest has no say in it: the host connects for it.
 * What else runs on the host comes from 127.0.0.1.
 */
export function guestAddress(vmId: string): string {
  const [a, b, c] = createHash('sha256').update(`guest ${vmId.toLowerCase()}`).digest()
  // Neither the first address of a network nor the last one.
  return ['127', 64 + (a! & 63), b!, 1 + (c! % 254)].join('.')
}
