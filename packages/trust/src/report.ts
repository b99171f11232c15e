import type {
  AnyBootEvidence,
  BootEvidence,
  BootFacts,
  StatelessBootEvidence,
  VerifierSettings,
} from '@strongroom/contract'
import type { ImageMeasurements } from '@strongroom/evidence/expected'
import type { BootPins, SettingsReference } from './asked.ts'
import { claimsLink, transferKeyLink } from './claims-link.ts'
import { customerLink } from './customer-link.ts'
import { firmwareLink, type AskedFirmware, type PinnedFirmware } from './firmware-link.ts'
import { diskLink, guestStateLink, measuredBootLink, vtpmLink } from './guest-links.ts'
import { demand, judge, LinkNotChecked, type Link } from './link.ts'
import type { AskedBackup } from './backup/restored.ts'
import type { Roots } from './roots.ts'
import { settingsLink } from './settings-link.ts'
import { imageLink, type AskedImage } from './image-link.ts'
import { measurementLink, type LaunchReference } from './measurement-link.ts'
import { verifySilicon, type SiliconFinding } from './silicon-link.ts'
import { statelessLink } from './stateless-link.ts'
import { releaseLink, tokenLink, type FetchKeySet, type TokenClaims } from './token-link.ts'
import type { AskedProvider, Verifier, VerifierKey } from './verifier.ts'

export interface TrustRequest {
  name: string
  evidence: AnyBootEvidence
  /** The requested VM: another VM's evidence does not count, however good. Any VM if absent. */
  vmId?: string
  /** The requested encryption: the evidence, which the host stores, must not claim less. */
  encryption: string
  /** The requested size: the guest must not have more processors. */
  size: string
  /** The firmware that the guest must have been launched with, or why it is unknown. */
  firmware: LaunchReference | { unknown: string }
  /** Which firmware the VM's owner allows; default: what the installation lists. */
  askedFirmware?: AskedFirmware | undefined
  /** The requested image. */
  image: AskedImage
  /** Signed measurements of the image from the verifier; by default those that the host shows. */
  measurements?: string | undefined
  /** Whether Secure Boot was requested. */
  secureBoot: boolean
  /** Digest of the volume pinned at the creator's first trusted boot, hexadecimal. */
  volume?: string | undefined
  /** The requested disk-encryption set, by ARM id. */
  diskEncryptionSet?: string | undefined
  /** The backup that the VM was made of; null if it was requested without one. If absent, it is shown and not judged. */
  restored?: AskedBackup | null | undefined
  roots: Roots
  at: Date
  fetchKeySet: FetchKeySet
  /** Attestation providers of other origins that the operator named; none by default. */
  verifiers?: readonly VerifierSettings[]
  /** Whether the operator maps Azure's shared providers, as named in release policies, to this installation's. */
  mapsAzureProviders?: boolean
  /** The requested provider, whose token the evidence must rest on. By default the region's shared one. */
  asked?: AskedProvider
  /** The requested account, keys and custom data, and their source; the guest is compared with them. Not compared if absent. */
  settings?: SettingsReference | undefined
}

export interface TrustReport {
  name: string
  vmId: string
  bootId: string
  verifiedAt: string
  simulated: boolean
  /** False in an installation without guests: its reports never end as trusted. */
  guestRan: boolean
  trusted: boolean
  /** What a creator pins from a trusted boot; absent if a link that it rests on does not hold. */
  pins?: BootPins
  /** Who verified the evidence, if the token holds. */
  verifier?: Verifier & { key: VerifierKey }
  links: Link[]
}

/** The time at which evidence is judged. Without a token, the verifier's own nonce must show freshness. */
function judgedAt(time: string, now: Date): Date {
  const then = new Date(time)
  demand({
    holds: then <= now,
    message: 'The release or the evidence is dated in the future.',
    expected: `not after ${now.toISOString()}`,
    actual: time,
  })
  return then
}

/** A link whose predecessor does not hold cannot be judged: its input is missing. */
function need<T>(value: T | undefined, predecessor: string): T {
  if (value === undefined) throw new LinkNotChecked(`It depends on '${predecessor}', which does not hold.`)
  return value
}

/**
 * Verifies the evidence of a boot again, link by link, from the silicon's root to the unlocked disk. An error in a
 * link refuses that link, so this function does not throw, whatever the evidence.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors, rootsOf, verifyLinks } from '@strongroom/trust'
 *
 * const roots = await rootsOf(parseAnchors(await readFile('anchors.json', 'utf8')), await readFile('ca.pem', 'utf8'))
 * const evidence = JSON.parse(await readFile('boot.json', 'utf8'))
 * const report = await verifyLinks({
 *   name: 'first',
 *   evidence,
 *   roots,
 *   firmware: { unknown: 'no copy of the firmware is at hand' },
 *   image: { by: 'creator', reference: undefined },
 *   encryption: 'VMGuestStateOnly',
 *   size: 'Standard_DC2as_v5',
 *   secureBoot: true,
 *   fetchKeySet: async () => JSON.parse(await readFile('certs.json', 'utf8')),
 *   at: new Date(),
 * })
 * report.trusted // => false
 * report.links[0]?.outcome // => 'verified'
 * report.links.find(({ why }) => why?.startsWith('no copy'))?.outcome // => 'not checked'
 */
export async function verifyLinks(request: TrustRequest): Promise<TrustReport> {
  const { roots } = request
  // The request decides what must be shown: the evidence comes from the host, which could omit it.
  const { links, verifier, pins } =
    request.encryption === 'NonPersistedTPM'
      ? { ...(await statelessLinks(request, request.evidence as StatelessBootEvidence, roots)), verifier: undefined }
      : await allLinks(request, request.evidence as BootEvidence, roots)
  const guestRan = request.evidence.guestRan !== false
  return {
    name: request.name,
    vmId: request.evidence.vmId,
    bootId: request.evidence.bootId,
    verifiedAt: request.at.toISOString(),
    simulated: roots.anchors.simulated,
    guestRan,
    trusted: guestRan && links.every((link) => link.outcome === 'verified'),
    ...(pins === undefined ? {} : { pins }),
    ...(verifier === undefined ? {} : { verifier }),
    links,
  }
}

async function launchLink(request: TrustRequest, evidence: BootFacts, silicon: SiliconFinding): Promise<string[]> {
  const { firmware, size } = request
  if ('unknown' in firmware) throw new LinkNotChecked(firmware.unknown)
  return await measurementLink(evidence, silicon, { firmware, size })
}

/**
 * What every boot shows about its hardware: report, launch and claims.
 * @param time at which certificates, lists and collateral are judged, as the evidence states it
 */
async function hardwareLinks(
  request: TrustRequest,
  evidence: BootFacts,
  time: () => string,
): Promise<{ links: Link[]; silicon: SiliconFinding | undefined }> {
  let silicon: SiliconFinding | undefined
  const links = [
    await judge('silicon', 'silicon root → report', async () => {
      silicon = await verifySilicon(evidence, request.roots.anchors, judgedAt(time(), request.at))
      return silicon.shows
    }),
    await judge(
      'measurement',
      'report → launch measurement',
      async () => await launchLink(request, evidence, need(silicon, 'silicon')),
    ),
    await judge(
      'claims',
      'report → claims',
      async () => await claimsLink(evidence, need(silicon, 'silicon'), request.vmId),
    ),
  ]
  return { links, silicon }
}

/** From the hardware to the guest that reported, with none of the operator's services in between. */
async function statelessLinks(
  request: TrustRequest,
  evidence: StatelessBootEvidence,
  roots: Roots,
): Promise<GuestFindings> {
  const at = new Date(evidence.shownAt)
  const { links: first, silicon } = await hardwareLinks(request, evidence, () => evidence.shownAt)
  const links = [
    ...first,
    await judge('own-verifier', 'claims → no operator services', () => statelessLink(evidence)),
    await judge(
      'vtpm',
      'claims → vTPM of this boot',
      async () => await vtpmLink(evidence, need(silicon, 'silicon'), { ...roots.authority, at }),
    ),
  ]
  const guest = await guestLinks(request, evidence, 'measured boot → disk', roots)
  return whole([...links, ...guest.links], guest.pins)
}

async function allLinks(
  request: TrustRequest,
  evidence: BootEvidence,
  roots: Roots,
): Promise<GuestFindings & { verifier: TrustReport['verifier'] }> {
  const { authority } = roots
  // Judged at the time of the release: everything was available then, and what was valid then vouches for a guest still
  // running. The host states the time; the token, which the provider signed, must come from this boot and be valid
  // then.
  const { links: first, silicon } = await hardwareLinks(request, evidence, () => evidence.release.at)
  let token: TokenClaims | undefined
  let verifier: TrustReport['verifier']
  let released: { counter: number; tags: Readonly<Record<string, unknown>> } | undefined
  let firmware: PinnedFirmware | undefined
  const links = [
    ...first,
    await judge('transfer-key', 'claims → transfer key', async () => await transferKeyLink(evidence)),
    await judge('token', 'claims → token', async () => {
      const found = await tokenLink(evidence, need(silicon, 'silicon'), request)
      token = found.claims
      verifier = found.verifier
      return found.shows
    }),
    await judge('release', 'token → key released', async () => {
      const found = await releaseLink(evidence, need(token, 'token'), authority.root)
      released = found
      return found.shows
    }),
    await judge('firmware', 'key released → firmware release', async () => {
      const { tags } = need(released, 'release')
      const o = { anchors: roots.anchors, tags, asked: request.askedFirmware ?? {} }
      const found = await firmwareLink(evidence, need(silicon, 'silicon'), o)
      firmware = found.firmware
      return found.shows
    }),
    ...(request.diskEncryptionSet === undefined && evidence.customerRelease === undefined
      ? []
      : [
          await judge('customer-key', 'token → customer key released', async () => {
            const { diskEncryptionSet: expected, mapsAzureProviders = false } = request
            const o = { root: authority.root, expected, mapsAzureProviders }
            return await customerLink(evidence, need(token, 'token'), o)
          }),
        ]),
    await judge('guest-state', 'key → guest state', () =>
      guestStateLink(evidence, need(released, 'release').counter, request.restored),
    ),
    await judge(
      'vtpm',
      'guest state → vTPM',
      async () =>
        await vtpmLink(evidence, need(silicon, 'silicon'), { ...authority, at: new Date(evidence.release.at) }),
    ),
  ]
  const guest = await guestLinks(request, evidence, 'measured boot → disk unlocked', roots)
  const pins = guest.pins && { ...guest.pins, ...(firmware !== undefined && { firmware }) }
  return { ...whole([...links, ...guest.links], pins), verifier }
}

interface GuestFindings {
  links: Link[]
  pins: BootPins | undefined
}

/** Nothing is pinned from an untrusted boot. If no guest ran there is no disk to pin. */
function whole(links: Link[], pins: BootPins | undefined): GuestFindings {
  const holds = links.every(({ id, outcome }) => outcome === 'verified' || (id === 'disk' && outcome === 'not checked'))
  return { links, pins: holds ? pins : undefined }
}

/** Which image the guest booted, what it opened, and which accounts it has. */
async function guestLinks(
  request: TrustRequest,
  evidence: BootFacts,
  diskTitle: string,
  { anchors, authority }: Roots,
): Promise<GuestFindings> {
  let measurements: ImageMeasurements | undefined
  let pins: BootPins | undefined
  const image = await judge('image', 'requested image → measurements', async () => {
    const found = await imageLink(evidence, { anchors, asked: request.image, document: request.measurements })
    measurements = found.measurements
    pins = found.pins
    return found.shows
  })
  const { secureBoot } = request
  const measured = await judge(
    'measured-boot',
    'vTPM → measured boot',
    async () => await measuredBootLink(evidence, { measurements: need(measurements, 'image'), secureBoot }),
  )
  const quoted = measured.outcome === 'verified' ? evidence.measuredBoot?.pcrs : undefined
  const disk = await judge('disk', diskTitle, async () => await diskLink(evidence, request))
  const settings = await judge('settings', 'measured boot → accounts and keys', async () => {
    const reference = request.settings
    const { certificate } = authority
    return await settingsLink(evidence, { quoted: need(quoted, 'measured-boot'), reference, authority: certificate })
  })
  const volume = disk.outcome === 'verified' ? (request.volume ?? evidence.expected.volume) : undefined
  return {
    links: [image, measured, disk, settings],
    pins: pins && { ...pins, ...(volume !== undefined && { volume }) },
  }
}
