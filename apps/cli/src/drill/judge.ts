import type { Attack, Ending } from './attacks/attack.ts'
import { countedRegister, registersOfCode, type Observation } from './host/observation.ts'

export type Verdict = 'held' | 'broken' | 'inconclusive' | 'not tried'

export interface Judgement {
  verdict: Verdict
  /** The observed message, or why there is none. */
  message: string
}

/** What an attack is compared with. */
export interface Yardstick {
  /** Registers of the unattacked boot. */
  registers?: Record<string, string>
  /** Whether the OS disk is encrypted. The host can write anything to an unencrypted disk, so the boot must then be refused. */
  encrypted: boolean
}

/**
 * `held` requires one of the attack's endings, no mark, and the control run's registers if the guest boots. A mark, an
 * unnoticed register change, or a VM that starts when it must not, is `broken`. Anything else is inconclusive.
 */
export function judge(
  attack: Pick<Attack, 'ends' | 'early' | 'movesPartitions' | 'from'>,
  seen: Observation,
  { registers = {}, encrypted }: Yardstick = { encrypted: true },
): Judgement {
  const refusal = seen.error === undefined ? '' : describe(seen.error)
  const foreseen = !seen.accepted && attack.ends.some((end) => isRefusal(end, seen, encrypted))
  const tolerated = foreseen && (!encrypted || attack.early === true)
  if (seen.marks.length > 0 && !tolerated)
    return { verdict: 'broken', message: `taken from the host: ${seen.marks.join(', ')}` }
  if (!seen.accepted) {
    if (foreseen) return { verdict: 'held', message: refusal }
    return { verdict: 'inconclusive', message: `ended differently than expected: ${refusal || 'without a message'}` }
  }
  const broken = seen.brokenLinks ?? []
  if (seen.brokenLinks !== undefined && broken.length === 0 && attack.ends.some((end) => end.kind === 'harmless')) {
    if (seen.unseen !== undefined) return { verdict: 'inconclusive', message: seen.unseen }
    const moved = movedRegisters(attack, seen.registers ?? {}, registers)
    if (moved.length > 0)
      return { verdict: 'broken', message: `${moved.join(' and ')} moved, and the trust report holds` }
    return {
      verdict: 'held',
      message: 'the guest booted normally, and every link of its trust report holds',
    }
  }
  const named = broken.find((link) => attack.ends.some((end) => end.kind === 'noticed' && end.link.test(link.id)))
  if (named !== undefined) return { verdict: 'held', message: `the trust report names ${named.id}: ${named.why}` }
  if (attack.ends.some(({ kind }) => kind === 'harmless' || kind === 'noticed')) {
    const links = broken.map((link) => `${link.id}: ${link.why}`).join('; ')
    return { verdict: 'inconclusive', message: `the guest is ready, and its trust report shows: ${links || 'nothing'}` }
  }
  return { verdict: 'broken', message: 'it was accepted, but must be refused' }
}

const partitionTable = 5

function movedRegisters(
  { movesPartitions, from }: Pick<Attack, 'movesPartitions' | 'from'>,
  found: Record<string, string>,
  control: Record<string, string>,
): string[] {
  return registersOfCode
    .filter((index) => movesPartitions !== true || index !== partitionTable)
    .filter((index) => from !== 'later' || index !== countedRegister)
    .filter((index) => control[index] !== undefined && found[index] !== control[index])
    .map((index) => `PCR ${index}`)
}

function isRefusal(end: Ending, { error }: Observation, encrypted: boolean): boolean {
  if (error === undefined) return false
  const said = JSON.stringify(error)
  if (end.kind === 'measured')
    return (
      error.code === (encrypted ? 'OsDiskDidNotUnlock' : 'BootReportRefused') &&
      new RegExp(`PCR ${end.register}\\b`).test(said)
    )
  return end.kind === 'refused' && end.code.test(error.code) && (end.says === undefined || end.says.test(said))
}

const describe = (error: NonNullable<Observation['error']>): string => `${error.code}: ${error.message}`
