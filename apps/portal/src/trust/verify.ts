import { digest, spkiSha256, toHex, utf8, type TrustAnchors } from '@strongroom/evidence'
import type { AskedSettings, AnyBootEvidence, VerifierSettings } from '@strongroom/contract'
import {
  askedByRecord,
  parseAnchors,
  rootsOf,
  verifyLinks,
  type AskedGuest,
  type AskedProvider,
  type FetchKeySet,
  type LaunchReference,
  type Roots,
  type TrustReport,
  type VmRecord,
} from '@strongroom/trust'
import type { PinnedBoot, PinnedRoots } from './pins.ts'

/** The chunk that verifies a boot: loaded when a trust report is shown. */

export { firstUseWarnings, providerIdOf } from '@strongroom/trust'
export { askGuest } from './ask-guest.ts'

export interface Fingerprint {
  name: string
  sha256: string
}

/** @throws Error that says what is wrong with the files */
export async function readRoots({ anchors, authority }: PinnedRoots): Promise<{ roots: Roots; shown: Fingerprint[] }> {
  const roots = await rootsOf(parseAnchors(anchors), authority)
  return { roots, shown: await fingerprints(roots) }
}

async function fingerprints({ anchors, authority }: Roots): Promise<Fingerprint[]> {
  const named = (what: string, list: TrustAnchors['amd']): Fingerprint[] =>
    list.map(({ name, spkiSha256: sha256 }) => ({ name: `${what}: ${name}`, sha256 }))
  const images = await Promise.all(
    (anchors.images ?? []).map(async ({ n, x, y }) => ({
      name: 'signer of image measurements',
      sha256: toHex(await digest('SHA-256', utf8(JSON.stringify(n ?? [x, y])))),
    })),
  )
  const own = { name: 'the installation’s CA', sha256: await spkiSha256(authority.certificate) }
  return [own, ...named('AMD', anchors.amd), ...named('Intel', anchors.intel), ...images]
}

export interface Verification {
  name: string
  record: VmRecord
  evidence: AnyBootEvidence
  asked: AskedSettings | undefined
  askedGuest: AskedGuest
  provider: AskedProvider
  verifiers: readonly VerifierSettings[]
  roots: Roots
  pinned: PinnedBoot | undefined
  firmware: { name: string; bytes: Uint8Array } | undefined
  fetchKeySet: FetchKeySet
}

/** A boot's trust report, as in `strongroom vm trust`; the request is taken from the record. */
export async function verifyMachine(o: Verification): Promise<TrustReport> {
  const record = askedByRecord(o.record)
  return await verifyLinks({
    ...record,
    image: { ...record.image, bootFile: o.pinned?.bootFile },
    volume: o.pinned?.volume,
    askedFirmware: { ...record.askedFirmware, pinned: o.pinned?.firmware },
    name: o.name,
    evidence: o.evidence,
    roots: o.roots,
    firmware: reference(o),
    settings: o.asked && { by: 'resource manager', asked: o.asked },
    askedGuest: o.askedGuest,
    sshHostKey: o.pinned?.sshHostKey,
    asked: o.provider,
    verifiers: o.verifiers,
    fetchKeySet: o.fetchKeySet,
    at: new Date(),
  })
}

/** The person's own firmware takes precedence over a pin: it proves more. */
function reference({ firmware, pinned }: Verification): LaunchReference | { unknown: string } {
  if (firmware !== undefined) return firmware
  if (pinned !== undefined) return { pinned: pinned.launch }
  return {
    unknown:
      'The expected launch measurement is unknown. Choose your own copy of the guest firmware on this page, or ' +
      'pin this boot if you trust it.',
  }
}
