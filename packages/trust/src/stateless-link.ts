import type { StatelessBootEvidence } from '@strongroom/contract'
import { readClaims } from './claims-link.ts'
import { demand } from './link.ts'

/**
 * With NonPersistedTPM, none of the operator's services is between the hardware and the relying party: no token, no released
 * key, no guest state. The attested claims state this, and there is no transfer key to release anything to.
 */
export function statelessLink(evidence: StatelessBootEvidence): string[] {
  const { keys, configuration } = readClaims(evidence)
  demand({
    holds: configuration['tpm-persisted'] === false,
    message: 'The attested claims do not state that the vTPM is not persistent.',
    expected: 'tpm-persisted false',
    actual: `tpm-persisted ${String(configuration['tpm-persisted'])}`,
  })
  const transfer = keys.filter((key) => key['kid'] === 'HCLTransferKey').length
  demand({
    holds: transfer === 0,
    message: 'The attested claims contain a key that secrets could be released to.',
    expected: 'no HCLTransferKey',
    actual: String(transfer),
  })
  for (const part of ['attestation', 'release', 'guestState'])
    demand({
      holds: !Object.hasOwn(evidence, part),
      message: `The boot used the operator's ${part}.`,
      expected: 'none',
      actual: part,
    })
  return [
    'no token, no released key and no guest state from the operator: the vTPM exists only for this boot (tpm-persisted false)',
    'relying parties ask this guest for evidence, with their own verifier and keys (docs/own-verifier.md)',
  ]
}
