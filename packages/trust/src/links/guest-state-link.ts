import type { BootEvidence } from '@strongroom/contract'
import type { RuntimeClaims } from '@strongroom/evidence'
import type { Known } from '../provenance/known.ts'
import { refuseUnless, type Proof } from '../provenance/link.ts'
import type { AskedBackup } from '../provenance/request.ts'
import { showRestored } from './restored.ts'

/**
 * The paravisor, which the silicon measured, opens no guest state that is older than the counter in the vault's signed answer. The
 * generation that it opened is what the host states: it can contradict, and proves nothing.
 * @param o.counter of the vault's signed answer
 * @param o.restored see `showRestored`
 */
export function guestStateLink(
  { guestState: { generation, freshDataKey } }: Pick<BootEvidence, 'guestState'>,
  o: {
    counter: Known<number>
    claims: Known<RuntimeClaims>
    restored: Known<AskedBackup | null> | undefined
    proof: Proof
  },
): void {
  const { counter, proof } = o
  refuseUnless(generation >= counter.value, {
    message: 'The guest state is older than the key service last saw.',
    expected: `generation ${counter.value} or later`,
    actual: `generation ${generation}`,
  })
  refuseUnless(freshDataKey, {
    message: 'The guest state was not re-encrypted under a fresh data key.',
    expected: 'a fresh key',
    actual: 'a stored one',
  })
  proof.proves`the key service’s counter at this release is ${counter}: the paravisor opens no guest state that is older`
  proof.informs(`VMGS, AES-256-GCM, generation ${generation}, fresh data key at this boot`)
  showRestored(o.claims, { asked: o.restored, proof })
}
