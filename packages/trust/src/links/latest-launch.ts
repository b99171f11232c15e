import type { BootEvidence } from '@strongroom/contract'
import { toBase64Url, toHex, type KeyRelease, type RuntimeClaims, type TrustAnchor } from '@strongroom/evidence'
import type { LaunchRecord } from '@strongroom/evidence/expected'
import { sha256Hex } from '../provenance/bytes.ts'
import { derive, deriveAsync, same, type Known } from '../provenance/known.ts'
import { LinkNotChecked, refuseUnless, short, type Proof } from '../provenance/link.ts'
import { signedLatestLaunch } from '../provenance/signed.ts'

/** What the boot's other links found, with which the running guest's launch is compared. */
export interface LaunchOfBoot {
  claims: Known<RuntimeClaims>
  counter: Known<number>
  release: Known<KeyRelease>
  /** As the host states it. */
  guestState: BootEvidence['guestState']
  root: TrustAnchor
  at: Date
}

/**
 * The guest that answers is of the launch that the report is about, and that launch is the VM's latest: neither an earlier life of the
 * guest state nor a second one passes for it.
 * @param o.record as the vTPM certified it
 * @param o.latestLaunch the key service's answer to the same challenge
 */
export async function latestLaunch(
  boot: LaunchOfBoot,
  o: { nonce: Known<Uint8Array>; record: Known<LaunchRecord>; latestLaunch: unknown; proof: Proof },
): Promise<void> {
  const { proof } = o
  const launch = await demandLaunch(boot, o.record, proof)
  const generation = o.record.map((of) => of.generation)
  demandRaised(boot, generation, proof)
  if (typeof o.latestLaunch !== 'string')
    throw new LinkNotChecked('The key service did not say which launch of this VM is the latest. Update the server.')
  const latest = await signedLatestLaunch({ jws: o.latestLaunch, at: boot.at, root: boot.root })
  proof.demand({
    code: 'AnswerNotFresh',
    holds: derive([o.nonce, latest], (nonce, of) => of.nonce === toBase64Url(nonce)),
    message: 'The key service’s statement of the latest launch is an answer to another challenge.',
    expected: toBase64Url(o.nonce.value),
    actual: String(latest.value.nonce),
  })
  proof.demand({
    code: 'AnswerNotFresh',
    holds: derive([latest, boot.release], (of, release) => of.kid === release.keyId),
    message: 'The key service’s statement of the latest launch is about another key.',
    expected: boot.release.value.keyId,
    actual: String(latest.value.kid),
  })
  const counted = latest.map((of) => of.generation)
  proof.demand({
    code: 'LaunchSuperseded',
    holds: same(
      latest.map((of) => of.launch),
      launch,
    ),
    message:
      'The VM was launched again since: what answers is an earlier life of it, which somebody keeps running. Do not send it ' +
      'anything, and restart the VM.',
    expected: `${launch.value}, generation ${generation.value}`,
    actual: `${latest.value.launch ?? 'none counted'}, generation ${counted.value}`,
  })
  proof.demand({
    code: 'GenerationJumped',
    holds: same(counted, generation),
    message:
      'The key service’s counter is not at the generation of the guest that runs: somebody else raised it with this boot’s ' +
      'token, or the VM is being stopped. A restart may be refused as rolled back.',
    expected: `generation ${generation.value}`,
    actual: `generation ${counted.value}`,
  })
  proof.proves`the key service, asked the same: launch ${launch.map(short)} is this VM’s latest, its counter ${counted}`
}

/** The claims of the report are of this launch alone, because the transfer key in them is. */
async function demandLaunch(
  { claims }: LaunchOfBoot,
  record: Known<LaunchRecord>,
  proof: Proof,
): Promise<Known<string>> {
  const launch = await deriveAsync([claims], async ({ raw }) => await sha256Hex(raw))
  const found = record.map((of) => toHex(of.claims))
  proof.demand({
    code: 'AnotherLaunch',
    holds: same(found, launch),
    message:
      'The guest that answers was launched another time than the one that reported: an earlier or a second life of this VM. ' +
      'Do not send it anything, and restart the VM.',
    expected: launch.value,
    actual: found.value,
  })
  return launch
}

/** A launch raises the generation by one before the guest starts, so that it is above the counter of its release. */
function demandRaised({ counter, guestState }: LaunchOfBoot, generation: Known<number>, proof: Proof): void {
  refuseUnless(guestState.generation === generation.value, {
    code: 'AnotherGeneration',
    message: 'The host states another generation of the guest state than the paravisor wrote into the vTPM.',
    expected: `generation ${generation.value}`,
    actual: `generation ${guestState.generation}`,
  })
  proof.demand({
    code: 'AnotherGeneration',
    holds: derive([generation, counter], (now, before) => now > before),
    message: 'The guest state is not above the key service’s counter at this release, as a launch makes it.',
    expected: `generation ${counter.value + 1} or later`,
    actual: `generation ${generation.value}`,
  })
  proof.shown(derive([generation, counter], raisedText))
}

const raisedText = (generation: number, counter: number): string[] => {
  const missed = generation - counter - 1
  return [
    `guest state generation ${generation}, as the paravisor wrote into the vTPM; the counter at its release was ${counter}` +
      (missed === 0 ? '' : `: the key service was not told of ${missed} earlier ${missed === 1 ? 'step' : 'steps'}`),
  ]
}
