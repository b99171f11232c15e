import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersions } from '../../client/arm.ts'
import { CliError } from '../../core/cli-error.ts'
import { overSsh } from '../host/guest.ts'
import type { Host } from '../host/host.ts'
import type { Observation } from '../host/observation.ts'
import { runProgram } from '../host/programs.ts'
import { onCopy, type Attacked } from '../host/on-copy.ts'
import { changeAnswers, drawAnswer } from './answers.ts'
import { changeArguments, drawArgument } from './arguments.ts'
import type { Choices } from './choices.ts'
import { drawEvent, plan, type Happening } from './events.ts'
import { changeFile, drawFile } from './files.ts'
import { isWhole, violations, type Violation } from './invariants.ts'
import { kinds, type Mutation, type Step } from './mutation.ts'
import { changeRow, drawRow } from './rows.ts'
import { secretsInFiles, secretsInProcesses } from './secrets.ts'
import { lookScript, readCanary } from './snapshot.ts'
import { watchEvidence, type Inventory, type Surroundings } from './surroundings.ts'

/** What a life showed. `not tried`: the first mutations could not be carried out. */
export interface Lived {
  outcome: 'held' | 'found' | 'not tried'
  /** How each boot ended. */
  boots: string[]
  violations: Violation[]
}

async function drawOne(choices: Choices, inventory: Inventory): Promise<Mutation> {
  const kind = choices.pick(kinds)
  if (kind === 'arguments') return await drawArgument(choices, inventory.args, inventory.help)
  if (kind === 'files') return drawFile(choices, inventory.files)
  if (kind === 'rows') return drawRow(choices, inventory.tables)
  if (kind === 'answers') return drawAnswer(choices, inventory.answers)
  return await drawEvent(choices, inventory.help)
}

/** One mutation, or a pair: in one boot, or in two. After a mutation alone the VM may boot once more, unchanged. */
export async function drawSteps(choices: Choices, inventory: Inventory): Promise<Step[]> {
  const first = await drawOne(choices, inventory)
  if (choices.chance(0.5)) return choices.chance(0.3) ? [[first], []] : [[first]]
  const second = await drawOne(choices, inventory)
  const oneEvent = first.kind !== 'events' || second.kind !== 'events'
  return oneEvent && choices.chance(0.6) ? [[first, second]] : [[first], [second]]
}

export interface LifeOptions extends Attacked {
  /** The life's own copy. */
  copy: string
  original: string
  surroundings: Surroundings
}

/** Lives one life, and compares each of its boots with the four invariants. */
export async function live(o: LifeOptions, steps: readonly Step[]): Promise<Lived> {
  const lived: Lived = { outcome: 'held', boots: [], violations: [] }
  const { surroundings, ...attacked } = o
  for (const [index, step] of steps.entries()) {
    const isLast = index === steps.length - 1
    const source = index === 0 ? { source: surroundings.later } : {}
    const found = await onCopy({ ...attacked, ...source, keep: !isLast }, async (host) => {
      const boot = await bootWith(host, step, surroundings)
      if (!isLast && 'ready' in boot && boot.ready) {
        const { arm, path } = await host.arm()
        await arm.run('POST', `${path}/deallocate`, apiVersions.compute).catch(() => {})
      }
      return boot
    }).catch((error: unknown): Booted => {
      if (o.signal.aborted) throw error
      return { failure: (error as Error).message }
    })
    if ('failure' in found)
      return {
        ...lived,
        outcome: lived.violations.length > 0 ? 'found' : lived.boots.length > 0 ? 'held' : 'not tried',
        boots: [...lived.boots, found.failure],
      }
    lived.boots.push(found.ended)
    lived.violations.push(...found.violations)
  }
  return { ...lived, outcome: lived.violations.length > 0 ? 'found' : 'held' }
}

type Booted = { failure: string } | { ended: string; ready: boolean; violations: Violation[] }

async function bootWith(host: Host, step: Step, surroundings: Surroundings): Promise<Booted> {
  let happening: Happening | undefined
  try {
    happening = await prepare(host, step, surroundings)
  } catch (error) {
    return { failure: `not carried out: ${(error as Error).message}` }
  }
  const evidence = watchEvidence(host)
  const seen = await host.boot(lookScript).catch(refusedLater)
  happening?.cancel()
  const event = await happening?.done
  const server = await host.serverPid()
  const secrets = [
    ...(await secretsInFiles(host.o.stateDir, surroundings.secrets, { searched: surroundings.later })),
    ...(await secretsInProcesses(surroundings.secrets, { root: process.pid, server })),
  ]
  const stranger = seen.accepted ? await readAsStranger(host) : []
  const broken = violations({ seen, ...evidence(), secrets, stranger }, surroundings.reference)
  return {
    ended: `${endOf(seen)}${event === undefined ? '' : ` (${event})`}`,
    ready: seen.accepted,
    violations: broken,
  }
}

/** Carries out what is done before the boot, and plans what happens during it. */
async function prepare(host: Host, step: Step, surroundings: Surroundings): Promise<Happening | undefined> {
  const { stateDir, original } = host.o
  const scratch = join(stateDir, 'drill')
  await mkdir(scratch, { recursive: true })
  const place = { stateDir, original, scratch, vmId: host.vm.vmId, otherId: host.sibling()?.record.vmId }
  for (const mutation of step) {
    if (mutation.kind === 'files') await changeFile(place, mutation)
    if (mutation.kind === 'rows') await changeRow(place, mutation)
    if (mutation.kind === 'arguments') await changeArguments(host, surroundings.args, mutation)
  }
  const answers = step.filter(({ kind }) => kind === 'answers')
  if (answers.length > 0) await changeAnswers(host, surroundings.answers, answers)
  const event = step.find(({ kind }) => kind === 'events')
  return event && (await plan(host, event, surroundings.bootSeconds))
}

/** The guest may be ready, and the owner cannot be told so: then there is no report. */
function refusedLater(error: unknown): Observation {
  const nobody = { accepted: false, marks: [] }
  return error instanceof CliError
    ? { ...nobody, error: error.detail }
    : { ...nobody, unseen: (error as Error).message }
}

function endOf(seen: Observation): string {
  if (!seen.accepted) return `refused: ${seen.error?.code ?? seen.unseen ?? 'without a message'}`
  if (isWhole(seen)) return 'whole'
  return `not trusted: ${(seen.brokenLinks ?? []).map(({ id }) => id).join(', ') || 'no link'}`
}

/** With a key that nobody gave the VM, as its account and as root. */
async function readAsStranger(host: Host): Promise<string[]> {
  const key = await host.file(`stranger-${Date.now()}`)
  await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  const { arm, path } = await host.arm()
  const read: string[] = []
  for (const user of [undefined, 'root']) {
    const asked = overSsh({ arm, path, key, command: readCanary, ...(user !== undefined && { user }) })
    const late = sleep(30_000, undefined, { ref: false })
    const ended = await Promise.race([asked.catch(() => undefined), late])
    if (ended?.code === 0) read.push(ended.stdout.trim())
  }
  return read
}
