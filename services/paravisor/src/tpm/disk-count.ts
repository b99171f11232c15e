import type { Defined } from './nv-index.ts'
import { define, readIndex, undefine, write, type PlatformIndex } from './platform-index.ts'
import type { Swtpm } from './swtpm.ts'

/**
 * How often the OS disk was opened. The boots that read the disk's key read and write it, and nobody else in the guest does: the initrd
 * opens no disk whose own count is lower (attack D7).
 */
const countIndex: PlatformIndex = {
  index: 0x0140_0108,
  bytes: 8,
  attributes: 'ppread|ppwrite|policyread|policywrite|no_da|platformcreate',
}

/**
 * Leaves the count to the boots of this policy, as it is.
 * @param defined indices of the TPM; one without it has opened no disk that counts
 */
export async function admitToCount(tpm: Swtpm, defined: Defined, policy: Uint8Array): Promise<void> {
  const present = defined.has(countIndex.index)
  const count = present ? await readIndex(tpm, countIndex) : new Uint8Array(countIndex.bytes)
  if (present) await undefine(tpm, countIndex)
  await define(tpm, countIndex, policy)
  await write(tpm, countIndex, count)
}

/** A disk under a new key has no count, and no older state: the next boot begins at one. */
export async function forgetCount(tpm: Swtpm, defined: Defined): Promise<void> {
  if (defined.has(countIndex.index)) await undefine(tpm, countIndex)
}
