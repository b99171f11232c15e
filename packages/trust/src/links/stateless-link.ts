import type { StatelessBootEvidence } from '@strongroom/contract'
import type { RuntimeClaims } from '@strongroom/evidence'
import { transferKeys } from './claims-link.ts'
import { constant, same, type Known } from '../provenance/known.ts'
import { refuseUnless, type Proof } from '../provenance/link.ts'

/**
 * With NonPersistedTPM, none of the operator's services is between the hardware and the relying party: no token, no released
 * key, no guest state. The attested claims state this, and there is no transfer key to release anything to.
 */
export function statelessLink(evidence: StatelessBootEvidence, claims: Known<RuntimeClaims>, proof: Proof): void {
  const persisted = claims.map(({ configuration }) => String(configuration['tpm-persisted']))
  proof.demand({
    holds: same<string>(persisted, constant('false')),
    message: 'The attested claims do not state that the vTPM is not persistent.',
    expected: 'tpm-persisted false',
    actual: `tpm-persisted ${persisted.value}`,
  })
  const transfer = claims.map((of) => transferKeys(of).length)
  proof.demand({
    holds: same<number>(transfer, constant(0)),
    message: 'The attested claims contain a key that secrets could be released to.',
    expected: 'no HCLTransferKey',
    actual: String(transfer.value),
  })
  for (const part of ['attestation', 'release', 'guestState'])
    refuseUnless(!Object.hasOwn(evidence, part), {
      message: `The boot used the operator's ${part}.`,
      expected: 'none',
      actual: part,
    })
  proof.proves`tpm-persisted ${persisted}: the vTPM exists only for this boot`
  proof.proves`${transfer} transfer keys: the operator releases nothing to it`
  proof.informs('no token, no released key and no guest state of the operator’s are in the evidence')
  proof.informs(
    'relying parties ask this guest for evidence, with their own verifier and keys (docs/guides/virtual-machines.md)',
  )
}
