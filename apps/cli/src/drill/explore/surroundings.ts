import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { apiVersions } from '../../client/arm.ts'
import type { Host } from '../host/host.ts'
import { copyInstallation } from '../host/installation-copy.ts'
import { MetadataLiar } from '../host/metadata-liar.ts'
import { controlFailed, onCopy, type Attacked } from '../host/on-copy.ts'
import { guestAnswer, watchOwner, type Answer } from './answers.ts'
import { listFiles } from './files.ts'
import { isWhole, recordedState, type Reference } from './invariants.ts'
import { askQemu, type QemuHelp } from './qemu-help.ts'
import { listTables, type Table } from './rows.ts'
import { secretsInFiles, type Secrets } from './secrets.ts'
import { parseSnapshot, plantScript } from './snapshot.ts'

/** What a host has in its hands at a VM's boots, as the control boot showed it: from this mutations are drawn. */
export interface Inventory {
  args: readonly string[]
  files: readonly string[]
  tables: readonly Table[]
  answers: readonly Answer[]
  help: QemuHelp
}

/** Everything that the lives of one VM share. */
export interface Surroundings extends Inventory {
  /** The installation that each life starts from: one boot later than the owner's. */
  later: string
  reference: Reference
  secrets: Secrets
  /** What the control boot took until its owner had the report, and the guest from power-on until it was ready. */
  seconds: number
  bootSeconds: number
}

const generationIn = (evidence: unknown): number | undefined =>
  (evidence as { guestState?: { generation?: number } } | undefined)?.guestState?.generation

/** The evidence that the owner was given, as it is after all that lies between. */
export function watchEvidence(
  host: Host,
): () => { registers?: Record<string, string>; generation?: number | undefined } {
  let last: Buffer | undefined
  const between = host.judgesBy
  host.judgesBy = (connection) =>
    watchOwner(between?.(connection) ?? connection, (name, body) => {
      if (name.endsWith('/retrieveBootEvidence')) last = body
      return body
    })
  return () => {
    const evidence: unknown = last === undefined ? undefined : JSON.parse(last.toString())
    const registers = (evidence as { measuredBoot?: { pcrs: Record<string, string> } } | undefined)?.measuredBoot?.pcrs
    return { ...(registers && { registers }), generation: generationIn(evidence) }
  }
}

/**
 * Boots the VM unchanged, plants the canaries, and records what a life is compared with.
 * @throws CliError ControlFailed
 */
export async function surroundingsOf(o: Attacked & { folder: string; original: string }): Promise<Surroundings> {
  const { folder, ...attacked } = o
  const later = join(folder, 'later')
  const secrets: Secrets = { 'the canary': randomBytes(32), 'what the TPM keeps': randomBytes(32) }
  const hex = (name: string): string => Buffer.from(secrets[name]!).toString('hex')
  const answers = new Map<string, Buffer>()
  const control = await onCopy({ ...attacked, copy: later, source: o.original, keep: true }, async (host) => {
    const began = performance.now()
    let readyAt = Date.now()
    const liar = new MetadataLiar({
      answer: ({ method, path }, body) => {
        if (path.startsWith('/metadata/strongroom/ready')) readyAt = Date.now()
        answers.set(guestAnswer(method, path), body)
        return body
      },
    })
    await host.lie(liar)
    host.judgesBy = (connection) =>
      watchOwner(connection, (name, body) => {
        answers.set(name, body)
        return body
      })
    const evidence = watchEvidence(host)
    const seen = await host.boot(plantScript({ canary: hex('the canary'), inTpm: hex('what the TPM keeps') }))
    const seconds = (performance.now() - began) / 1000
    const startedAt = (await stat(await host.file('given'))).mtimeMs
    if (!isWhole(seen) || seen.saw === undefined)
      throw controlFailed(
        'the VM does not boot, or is not trusted',
        seen.unseen ?? JSON.stringify(seen.error ?? seen.brokenLinks),
      )
    const { arm, path } = await host.arm()
    await arm.run('POST', `${path}/deallocate`, apiVersions.compute)
    const ids = { vmId: host.vm.vmId, otherId: host.sibling()?.record.vmId }
    const bootSeconds = (readyAt - startedAt) / 1000
    return { seen, seconds, bootSeconds, args: await host.qemu.given(), generation: evidence().generation ?? 0, ids }
  })
  const { volumeKey, ...snapshot } = parseSnapshot(control.seen.saw ?? [])
  if (volumeKey === undefined)
    throw controlFailed('the key of the disk is not to be read in the guest', 'no dm-crypt table')
  const key = Buffer.from(volumeKey, 'hex')
  Object.assign(secrets, { 'the volume key': key.subarray(0, 32), 'the volume key’s other half': key.subarray(32) })
  const found = await secretsInFiles(later, secrets)
  if (found.length > 0) throw controlFailed('the host has secrets without doing anything', found.join(', '))
  const scratch = join(folder, 'tables')
  await copyInstallation(later, scratch)
  return {
    later,
    secrets,
    seconds: control.seconds,
    bootSeconds: control.bootSeconds,
    args: control.args,
    files: await listFiles({ stateDir: later, ...control.ids }),
    tables: await listTables(scratch),
    answers: [...answers].map(([name, body]) => ({ name, body })).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    help: await askQemu(),
    reference: {
      snapshot,
      registers: control.seen.registers ?? {},
      state: recordedState(control.seen),
      generation: control.generation,
    },
  }
}
