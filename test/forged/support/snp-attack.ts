import { openService, type TestService } from '../../../services/attestation/src/testing/harness.ts'
import { AmdAuthority, type ForgedChain } from './amd-authority.ts'

/** AMD's keys in an attacker's hands, and a service that trusts their root: only the rule in question fails for a report. */
export interface SnpAttack {
  amd: AmdAuthority
  chain: ForgedChain
  crl: Uint8Array
  test: TestService
}

export async function openSnpAttack(): Promise<SnpAttack> {
  const amd = await AmdAuthority.open()
  return { amd, chain: await amd.chain(), crl: await amd.crl(), test: await openService({ anchors: amd.anchors }) }
}
