import type { AnyBootEvidence } from '@strongroom/contract'
import type { SeenBoot } from './pins.ts'

const text = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'))

/** What can differ between two boots of a VM, by name; long values in full, so that they can be compared. */
export function factsOf(evidence: AnyBootEvidence): SeenBoot {
  const { expected, vtpm, measuredBoot, osDisk, tee, simulated } = evidence
  const facts: Record<string, string> = {
    silicon: text(tee),
    simulated: text(simulated),
    'launch measurement': text(expected?.launchMeasurement),
    firmware: text(expected?.firmwareSha256),
    processors: `${text(expected?.vCPUs)} ${text(expected?.vcpuType)}`,
    'attestation key': text(vtpm?.akPublic),
    'disk encryption': text(osDisk?.encryption),
    volume: text(expected?.volume),
    settings: text(evidence.settled),
  }
  if ('attestation' in evidence) facts['issuer'] = text(evidence.attestation?.issuer)
  if ('release' in evidence) facts['key released'] = text(evidence.release?.keyId)
  if ('guestState' in evidence) facts['guest state generation'] = text(evidence.guestState?.generation)
  for (const [index, value] of Object.entries(measuredBoot?.pcrs ?? {})) facts[`PCR ${index}`] = text(value)
  return { bootId: text(evidence.bootId), startedAt: text(evidence.startedAt), facts }
}

export interface Difference {
  name: string
  before: string
  after: string
}

export function differences(before: SeenBoot, after: SeenBoot): Difference[] {
  const names = [...new Set([...Object.keys(before.facts), ...Object.keys(after.facts)])]
  return names
    .map((name) => ({ name, before: before.facts[name] ?? 'nothing', after: after.facts[name] ?? 'nothing' }))
    .filter((each) => each.before !== each.after)
}
