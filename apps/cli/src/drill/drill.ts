import { join } from 'node:path'
import type { Attack } from './attacks/attack.ts'
import { bootUnattacked, plantPayload } from './attacks/controls.ts'
import type { Host } from './host/host.ts'
import type { Observation } from './host/observation.ts'
import { findVmAtRest } from './host/vm-record.ts'
import { judge, type Judgement } from './judge.ts'
import { besideUnchanged, controlFailed, interrupted, onCopy } from './host/on-copy.ts'

export interface AttackResult extends Judgement {
  id: string
  title: string
  does: string
  seconds: number
  /** The last lines of the guest's console. */
  console?: string[]
}

export interface DrillResult {
  vm: string
  vmId: string
  startedAt: string
  seconds: number
  controls: AttackResult[]
  attacks: AttackResult[]
  /** Every attack that could be tried held. Failed controls, and a changed installation, are errors. */
  held: boolean
}

export interface DrillOptions {
  stateDir: string
  cacheDir: string
  configDir: string
  vm: string
  group: string
  attacks: readonly Attack[]
  bootLimitSeconds?: number | undefined
  signal: AbortSignal
  /** Called before each. */
  trying(id: string, title: string): void
  /** Called after each. */
  tried(result: AttackResult): void
}

/** Minimum time for a guest in seconds, and multiple of the control run's time. */
const leastLimit = 90
const limitFactor = 4

/**
 * Attacks copies of a VM, one copy per attack, and never the VM: the copy of the whole installation is beside it and is
 * removed at the end, even after an interruption. @throws CliError ControlFailed, InstallationChanged, Interrupted
 */
export async function drill(o: DrillOptions): Promise<DrillResult> {
  const started = performance.now()
  const startedAt = new Date().toISOString()
  let vmId = ''
  const controls: AttackResult[] = []
  const attacks: AttackResult[] = []
  await besideUnchanged(o.stateDir, async (folder) => {
    ;({ vmId } = await findVmAtRest(o.stateDir, o.vm, folder))
    const run = new DrillRun(o, folder)
    controls.push(...(await run.controls()))
    for (const attack of o.attacks) attacks.push(await run.attempt(attack))
  })
  return { vm: o.vm, vmId, startedAt, seconds: secondsSince(started), controls, attacks, held: allHeld(attacks) }
}

/** Untried attacks show nothing, and neither does a drill that tried none. */
export const allHeld = (attacks: readonly Pick<AttackResult, 'verdict'>[]): boolean =>
  attacks.every(({ verdict }) => verdict === 'held' || verdict === 'not tried') &&
  attacks.some(({ verdict }) => verdict === 'held')

class DrillRun {
  readonly #o: DrillOptions
  readonly #folder: string
  readonly #later: string
  #limit: number | undefined
  #registers: Record<string, string> = {}
  #encrypted = true

  constructor(o: DrillOptions, folder: string) {
    this.#o = o
    this.#folder = folder
    this.#later = join(folder, 'later')
    this.#limit = o.bootLimitSeconds
  }

  /** @throws CliError ControlFailed; then no attack is tried */
  async controls(): Promise<AttackResult[]> {
    const began = performance.now()
    const boot = await this.#timed(
      'control/boot',
      'the VM unchanged, started the same way as under attack',
      async () => {
        const seen = await this.#withHost(this.#later, this.#o.stateDir, bootUnattacked, false)
        this.#registers = seen.registers ?? {}
        return judge({ ends: [{ kind: 'harmless' }] }, seen)
      },
    )
    if (boot.verdict !== 'held') throw controlFailed('the VM does not boot, or is not trusted', boot.message)
    this.#limit ??= Math.max(leastLimit, Math.ceil(limitFactor * secondsSince(began)))
    const detector = await this.#timed(
      'control/detector',
      'code of the host’s in an ACPI table: must be detected',
      async () => {
        const seen = await this.#withHost(join(this.#folder, 's'), this.#o.stateDir, plantPayload)
        const broken = judge({ ends: [] }, seen)
        return broken.verdict === 'broken'
          ? { verdict: 'held', message: `its mark was found: ${seen.marks.join()}` }
          : broken
      },
    )
    if (detector.verdict !== 'held')
      throw controlFailed('the host’s code runs without being detected', detector.message)
    return [boot, detector]
  }

  async attempt(attack: Attack): Promise<AttackResult> {
    const source = attack.from === 'later' ? this.#later : this.#o.stateDir
    return await this.#timed(
      attack.id,
      attack.title,
      async () => {
        let reason: string | undefined
        const seen = await this.#withHost(join(this.#folder, 's'), source, async (host) => {
          reason = await attack.cannot?.(host)
          return reason === undefined ? await attack.carryOut(host) : { accepted: false, marks: [] }
        })
        if (reason !== undefined) return { verdict: 'not tried', message: reason }
        return {
          ...judge(attack, seen, { registers: this.#registers, encrypted: this.#encrypted }),
          ...(seen.console && { console: seen.console }),
        }
      },
      attack.does,
    )
  }

  /** Copies, attacks, ends everything that runs, and removes the copy. */
  async #withHost(
    stateDir: string,
    source: string,
    work: (host: Host) => Promise<Observation>,
    remove = true,
  ): Promise<Observation> {
    const copy = { copy: stateDir, source, original: this.#o.stateDir, keep: !remove }
    return await onCopy({ ...this.#o, bootLimitSeconds: this.#limit, ...copy }, async (host) => {
      this.#encrypted = host.encrypted
      return await work(host)
    })
  }

  /** An exception proves nothing; an interruption ends the drill. */
  async #timed(
    id: string,
    title: string,
    work: () => Promise<Judgement & { console?: string[] }>,
    does = '',
  ): Promise<AttackResult> {
    this.#o.trying(id, title)
    const began = performance.now()
    const judged = await work().catch((error: unknown): Judgement => {
      if (this.#o.signal.aborted) throw interrupted()
      return { verdict: 'inconclusive', message: `could not be carried out: ${(error as Error).message}` }
    })
    const result = { id, title, does, seconds: secondsSince(began), ...judged }
    this.#o.tried(result)
    return result
  }
}

const secondsSince = (began: number): number => Math.round((performance.now() - began) / 100) / 10
