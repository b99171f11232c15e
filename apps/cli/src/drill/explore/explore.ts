import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import type { Result } from '../../core/output.ts'
import { findVmAtRest } from '../host/vm-record.ts'
import { besideUnchanged, type Attacked } from '../host/on-copy.ts'
import { Choices } from './choices.ts'
import { drawSteps, live, type Lived } from './life.ts'
import { textOfSteps, type Step } from './mutation.ts'
import { surroundingsOf } from './surroundings.ts'

export interface ExploreOptions extends Attacked {
  stateDir: string
  minutes: number
  /** At most so many; by default as many as the minutes allow. */
  lives?: number | undefined
  seed: number
  /** Number of the first one. */
  from: number
  /** Findings are appended to it, one line of JSON each. */
  findings: string
  /** Called once the control boot is over, with its seconds. */
  began: (seconds: number) => void
  lived: (life: Life) => void
}

export interface Life extends Lived {
  life: number
  steps: readonly Step[]
  seconds: number
}

export interface Explored {
  vm: string
  vmId: string
  seed: number
  lives: Life[]
  /** No invariant was broken, in at least one life that could be lived. */
  held: boolean
}

/** Minimum time for a guest in seconds, and multiple of the control boot's time. */
const leastLimit = 90
const limitFactor = 3

/**
 * Mutates what the host gives the VM, life by life, until the time or the lives are over. Like the drill it works on
 * copies. @throws CliError ControlFailed, InstallationChanged, Interrupted
 */
export async function explore(o: ExploreOptions): Promise<Explored> {
  const { stateDir, minutes, lives, seed, from, findings, began, lived, ...attacked } = o
  const until = performance.now() + minutes * 60_000
  const done: Life[] = []
  let vmId = ''
  await besideUnchanged(stateDir, async (folder) => {
    const found = await findVmAtRest(stateDir, o.vm, folder)
    refuseUnencrypted(found.spec)
    vmId = found.vmId
    const surroundings = await surroundingsOf({ ...attacked, folder, original: stateDir })
    began(surroundings.seconds)
    const bootLimitSeconds = o.bootLimitSeconds ?? Math.max(leastLimit, Math.ceil(limitFactor * surroundings.seconds))
    for (let life = from; performance.now() < until && done.length < (lives ?? Infinity); life++) {
      const start = performance.now()
      const steps = await drawSteps(new Choices(seed, life), surroundings)
      const copy = { copy: join(folder, 's'), original: stateDir, surroundings, bootLimitSeconds }
      const result = await live({ ...attacked, ...copy }, steps)
      const whole = { ...result, life, steps, seconds: Math.round((performance.now() - start) / 100) / 10 }
      done.push(whole)
      lived(whole)
      if (result.outcome === 'found') await keep(findings, { vm: o.vm, vmId, seed, ...whole })
    }
  })
  const tried = done.filter(({ outcome }) => outcome !== 'not tried')
  return {
    vm: o.vm,
    vmId,
    seed,
    lives: done,
    held: tried.length > 0 && tried.every(({ outcome }) => outcome === 'held'),
  }
}

async function keep(file: string, finding: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await appendFile(file, `${JSON.stringify({ at: new Date().toISOString(), ...finding })}\n`, { mode: 0o600 })
}

function refuseUnencrypted(spec: object): void {
  const { security } = spec as { security?: { encryption?: string } }
  if (security?.encryption === 'DiskWithVMGuestState') return
  throw new CliError({
    code: 'InvalidArgument',
    message: 'A VM whose disk is not encrypted has no keys to look for: its host writes the disk by design.',
    expected: 'DiskWithVMGuestState',
    found: security?.encryption ?? 'none',
    remedy: 'Use `--guest snp`, `--guest tdx` or `--guest customer-key`, or a VM with an encrypted OS disk.',
    exitCode: exitCodes.usage,
  })
}

/** One life in one line, and what it broke. */
export const lifeLines = (seed: number, { life, steps, outcome, boots, violations, seconds }: Life): string[] => [
  `${seconds.toFixed(1).padStart(6)} s ${{ held: '✓', found: '✗', 'not tried': '-' }[outcome]} ${outcome.padEnd(9)} ` +
    `life ${life}: ${textOfSteps(steps)}: ${boots.join('; ')}`,
  ...violations.map(({ invariant, what }) => `            ${invariant}: ${what}`),
  ...(outcome === 'found' ? [`            again: --seed ${seed} --from ${life} --lives 1`] : []),
]

export function exploredResult(results: readonly Explored[], findings: string): Result {
  const broken = results.flatMap(({ lives }) => lives).filter(({ outcome }) => outcome === 'found').length
  const lines = results.flatMap(({ vm, seed, lives }) => {
    const count = (outcome: Lived['outcome']): number => lives.filter((each) => each.outcome === outcome).length
    return `${vm}: ${lives.length} lives of seed ${seed}: ${count('held')} held, ${count('found')} found, ${count('not tried')} not tried.`
  })
  const last = broken > 0 ? `Each finding is a line of ${findings}.` : 'No invariant was broken.'
  return {
    data: { held: results.every(({ held }) => held), explored: results, ...(broken > 0 && { findings }) },
    lines: ['', ...lines, 'The installation is unchanged, byte for byte.', last],
  }
}
