import assert from 'node:assert/strict'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { verifyBoot } from '../../apps/cli/src/trust/report.ts'
import { sizeFor } from '../../apps/cli/src/up/vm-request.ts'
import { defaultAsked, readEvidence } from '../system/support/vm.ts'
import type { Guest } from './guest.ts'
import type { Trial } from './rule.ts'

/** Changes one byte in the middle. */
function flip(text: string): string {
  const bytes = Buffer.from(text, 'base64url')
  bytes[100] = (bytes[100] ?? 0) ^ 1
  return bytes.toString('base64url')
}

/** A real boot's hardware evidence verifies as a whole, and does not with one byte changed. */
export async function trustsOnlyTheWhole(t: Trial, guest: Guest): Promise<void> {
  const { installation, name } = guest
  const evidence = await readEvidence(installation, name)
  const { fetchKeySet } = await connect(installation.stateDir)
  const judge = async (): Promise<string | undefined> => {
    const common = {
      name,
      evidence,
      encryption: 'DiskWithVMGuestState',
      ...defaultAsked,
      size: sizeFor(guest.tee),
      paths: installation.rootPaths,
    }
    const report = await verifyBoot({ ...common, at: new Date(), fetchKeySet })
    return report.links.find(({ id }) => id === 'silicon')?.outcome
  }
  const whole = await judge()
  t.note(`verified the ${evidence.silicon.kind} evidence of a real boot under the silicon’s root`, String(whole))
  assert.equal(whole, 'verified')
  const { silicon } = evidence
  if (silicon.kind === 'SNP') silicon.report = flip(silicon.report)
  else silicon.quote = flip(silicon.quote)
  const changed = await judge()
  t.note('the same with one byte changed', String(changed))
  assert.equal(changed, 'refused')
}
