import type { Fingerprint } from './verify.ts'
import type { TrustReport, TrustWarning } from '@strongroom/trust'
import type { InspectedPiece } from '../inspector/inspect.ts'
import { factsOf } from './boot-facts.ts'
import { fetchKeySet, readEvidence, readProvider, readVerifiers, type MachineEvidence } from './machine-evidence.ts'
import { keepSeen, knownName, pinBoot, pinnedBoot, pinnedRoots, type PinnedBoot, type SeenBoot } from './pins.ts'

/** A trust report and everything the page shows with it. */
export interface Shown {
  machine: MachineEvidence
  /** Of the pinned roots; absent without any, and then nothing is verified. */
  roots: Fingerprint[] | undefined
  report: TrustReport | undefined
  pinned: PinnedBoot | undefined
  /** Where trust begins again, or at all. */
  warnings: readonly TrustWarning[]
  boots: readonly SeenBoot[]
  pieces: readonly InspectedPiece[]
  /** The launch measurement as the host shows it: valid if the report's first links hold. */
  launch: string
  keySet: unknown
}

/**
 * Reads a machine's evidence and verifies it in this page.
 * @param firmware the person's own copy of the guests' launch firmware
 * @throws WireError, KeptDamaged
 */
export async function makeReport(o: {
  group: string
  name: string
  firmware: { name: string; bytes: Uint8Array } | undefined
}): Promise<Shown> {
  const machine = await readEvidence(o.group, o.name)
  const { record, evidence, asked } = machine
  const { vmId } = record.properties
  const files = pinnedRoots()
  const pinned = pinnedBoot(vmId)
  const { askGuest, firstUseWarnings, providerIdOf, readRoots, verifyMachine } = await import('./verify.ts')
  const { piecesOf } = await import('../inspector/inspect.ts')
  const read = files === undefined ? undefined : await readRoots(files)
  const subscription = machine.id.split('/').slice(0, 3).join('/')
  const isPinned = pinned !== undefined
  const warnings = firstUseWarnings({ vmId, known: knownName(machine.id), pinned: isPinned, recorded: isPinned })
  let keySet: unknown
  const report =
    read &&
    (await verifyMachine({
      name: o.name,
      record,
      evidence,
      asked,
      askedGuest: await askGuest(machine.id),
      provider: await readProvider(providerIdOf(record, subscription)),
      verifiers: await readVerifiers(),
      roots: read.roots,
      pinned,
      firmware: o.firmware,
      fetchKeySet: async (issuer) => (keySet = await fetchKeySet(issuer)),
    }))
  // Known once every link below them holds, including the pinned launch. Firmware is pinned from what was verified.
  if (pinned !== undefined && report?.pins !== undefined) {
    const { firmware } = report.pins
    const launch = firmware?.measurement ?? pinned.launch
    const isNew = pinned.bootFile === undefined || pinned.sshHostKey !== report.pins.sshHostKey
    if (isNew || launch !== pinned.launch || firmware?.sha256 !== pinned.firmware?.sha256)
      pinBoot(machine.id, vmId, { ...report.pins, ...pinned, launch, ...(firmware !== undefined && { firmware }) })
  }
  return {
    machine,
    roots: read?.shown,
    report,
    pinned,
    warnings,
    boots: keepSeen(vmId, factsOf(evidence)),
    pieces: piecesOf({ name: 'boot.json', bytes: new TextEncoder().encode(JSON.stringify(evidence)) }),
    launch: String(evidence.expected?.launchMeasurement),
    keySet,
  }
}
