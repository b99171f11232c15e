import { countedRegister, registersOfCode, type Observation } from '../host/observation.ts'
import { parseSnapshot, strangersIn, type Snapshot } from './snapshot.ts'

/** What a life must not show, in the order of docs/proof/testing.md. */
export const invariants = [
  'no code of the host ran in the guest',
  'keys are nowhere on the host',
  'the canary is the owner’s alone',
  'a whole report is of the recorded state',
] as const
export interface Violation {
  invariant: (typeof invariants)[number]
  what: string
}

/** What the control boot recorded of the VM. */
export interface Reference {
  snapshot: Snapshot
  registers: Record<string, string>
  /** Members of the report that are the same at every boot. */
  state: Record<string, unknown>
  generation: number
}

/** What one boot of a life showed. */
export interface Evidence {
  seen: Observation
  /** Registers in the evidence that the owner judged. */
  registers?: Record<string, string>
  /** Generation of the guest state in it. */
  generation?: number | undefined
  /** Secrets on the host, and where. */
  secrets: string[]
  /** What a stranger read of the canary: digests, in hexadecimal. */
  stranger: string[]
}

/** A boot that the disk's key was kept from may have run anything: the host starts what it likes on its machine. */
const keptOut = /^(?:OsDiskDidNotUnlock|GuestDidNotBoot)$/

/** Parts of a report that do not change from boot to boot. */
export function recordedState(seen: Observation): Record<string, unknown> {
  const report = seen.report
  const { generation: _boots, ...pins } = report?.pins ?? {}
  return { vmId: report?.vmId, sshHostKey: report?.sshHostKey, pins, links: report?.links.map(({ id }) => id) }
}

/** The invariants that a boot broke; none if it held. */
export function violations(evidence: Evidence, reference: Reference): Violation[] {
  const { seen } = evidence
  const found: Violation[] = []
  const say = (index: number, what: string): void => void found.push({ invariant: invariants[index]!, what })
  const keptFrom = !seen.accepted && keptOut.test(seen.error?.code ?? '')
  if (seen.marks.length > 0 && !keptFrom) say(0, `marks: ${seen.marks.join(', ')}`)
  const snapshot = seen.saw === undefined ? undefined : parseSnapshot(seen.saw)
  if (snapshot !== undefined) for (const each of strangersIn(snapshot, reference.snapshot)) say(0, each)
  for (const each of evidence.secrets) say(1, each)
  const digest = reference.snapshot.canary.split(' ').at(-1)!
  if (evidence.stranger.includes(digest)) say(2, 'a stranger’s key read it')
  if (snapshot !== undefined && snapshot.canary !== reference.snapshot.canary)
    say(2, `${snapshot.canary || 'no canary'}, recorded ${reference.snapshot.canary}`)
  if (isWhole(seen)) for (const each of unlike(evidence, reference, snapshot)) say(3, each)
  return found
}

export const isWhole = ({ accepted, report }: Observation): boolean => accepted && report?.trusted === true

/** Where a whole report is about something else than what was recorded. */
function unlike({ seen, ...judged }: Evidence, reference: Reference, snapshot: Snapshot | undefined): string[] {
  const found: string[] = []
  for (const registers of [seen.registers, judged.registers])
    for (const index of registersOfCode)
      // Boots are counted; the volume and the host key in it are among the pins.
      if (index !== countedRegister && registers !== undefined && registers[index] !== reference.registers[index])
        found.push(`PCR ${index} is ${registers[index]}, recorded ${reference.registers[index]}`)
  for (const [name, value] of Object.entries(recordedState(seen)))
    if (JSON.stringify(value) !== JSON.stringify(reference.state[name]))
      found.push(`${name} is ${JSON.stringify(value)}, recorded ${JSON.stringify(reference.state[name])}`)
  if (judged.generation !== undefined && judged.generation <= reference.generation)
    found.push(`generation ${judged.generation} is not after ${reference.generation}`)
  if (snapshot !== undefined && snapshot.keys.join() !== reference.snapshot.keys.join())
    found.push('what lies behind the keys is another')
  return found
}
