import type {
  AnyBootEvidence,
  BootEvidence,
  BootFacts,
  StatelessBootEvidence,
  VerifierSettings,
} from '@strongroom/contract'
import type { KeyRelease, RuntimeClaims } from '@strongroom/evidence'
import type { ImageMeasurements } from '@strongroom/evidence/expected'
import { claimsLink, transferKeyLink } from './links/claims-link.ts'
import { customerLink } from './links/customer-link.ts'
import { diskLink } from './links/disk-link.ts'
import { firmwareLink } from './links/firmware-link.ts'
import { guestStateLink } from './links/guest-state-link.ts'
import { hostKeyLink, noHostKey } from './links/host-key-link.ts'
import { imageLink } from './links/image-link.ts'
import { bootQuote, measuredBootLink, type BootQuote } from './links/measured-boot-link.ts'
import { measurementLink } from './links/measurement-link.ts'
import type { LaunchOfBoot } from './links/latest-launch.ts'
import { runningGuestLink, type AskedGuest } from './links/running-guest-link.ts'
import { settingsLink } from './links/settings-link.ts'
import { siliconLink, type SiliconFinding } from './links/silicon-link.ts'
import { statelessLink } from './links/stateless-link.ts'
import { releaseLink, tokenLink, type TokenFinding } from './links/token-link.ts'
import type { Verifier, VerifierKey } from './links/verifier.ts'
import { vtpmLink } from './links/vtpm-link.ts'
import { knownAsked, type KnownAsked } from './provenance/asked.ts'
import type { Known } from './provenance/known.ts'
import { judge, LinkNotChecked, need, refuseUnless, type Link } from './provenance/link.ts'
import type { Asked, BootPins, PinnedFirmware } from './provenance/request.ts'
import type { FetchKeySet } from './provenance/signed.ts'
import type { Roots } from './roots.ts'

export interface TrustRequest extends Asked {
  name: string
  evidence: AnyBootEvidence
  /** Signed measurements of the image from the verifier; by default those that the host shows. */
  measurements?: string | undefined
  roots: Roots
  at: Date
  fetchKeySet: FetchKeySet
  /** Attestation providers of other origins that the operator named; none by default. */
  verifiers?: readonly VerifierSettings[]
  /** Whether the operator maps Azure's shared providers, as named in release policies, to this installation's. */
  mapsAzureProviders?: boolean
  /**
   * How the verifier asked the running guest; the other links are verified meanwhile. Absent for stored evidence alone, which shows a
   * boot and not what runs now.
   */
  askedGuest?: AskedGuest | Promise<AskedGuest> | undefined
}

export interface TrustReport {
  name: string
  vmId: string
  bootId: string
  verifiedAt: string
  simulated: boolean
  /** Whether the running guest was asked: otherwise the report is about a boot, and not about what runs now. */
  guestAsked: boolean
  /** False in an installation without guests: its reports never end as trusted. */
  guestRan: boolean
  trusted: boolean
  /** What a creator pins from a trusted boot; absent if a link that it rests on does not hold. */
  pins?: BootPins
  /** SSH host key of this boot, as in known_hosts without a name, if its link holds and the guest has one. */
  sshHostKey?: string
  /** Who verified the evidence, if the token holds. */
  verifier?: Verifier & { key: VerifierKey }
  links: Link[]
}

/** The time at which evidence is judged. Without a token, the verifier's own nonce must show freshness. */
function judgedAt(time: string, now: Date): Date {
  const then = new Date(time)
  refuseUnless(then <= now, {
    message: 'The release or the evidence is dated in the future.',
    expected: `not after ${now.toISOString()}`,
    actual: time,
  })
  return then
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
  const asked = knownAsked(request)
  // The request decides what must be shown: the evidence comes from the host, which could omit it.
  const { links, verifier, pins, sshHostKey } =
    request.encryption === 'NonPersistedTPM'
      ? { ...(await statelessLinks(request, asked)), verifier: undefined }
      : await allLinks(request, asked)
  const guestRan = request.evidence.guestRan !== false
  return {
    name: request.name,
    vmId: request.evidence.vmId,
    bootId: request.evidence.bootId,
    verifiedAt: request.at.toISOString(),
    simulated: roots.anchors.simulated,
    guestAsked: request.askedGuest !== undefined,
    guestRan,
    trusted: guestRan && links.every((link) => link.outcome === 'verified'),
    ...(pins === undefined ? {} : { pins }),
    ...(sshHostKey === undefined ? {} : { sshHostKey }),
    ...(verifier === undefined ? {} : { verifier }),
    links,
  }
}

/** What the links found on which later ones rest. */
interface Found {
  silicon?: SiliconFinding
  claims?: Known<RuntimeClaims>
  ak?: Known<Uint8Array>
  released?: { counter: Known<number>; release: Known<KeyRelease> }
}

/**
 * What every boot shows about its hardware: report, launch and claims.
 * @param time at which certificates, lists and collateral are judged, as the evidence states it
 */
async function hardwareLinks(
  { roots, at }: TrustRequest,
  evidence: BootFacts,
  { asked, time }: { asked: KnownAsked; time: () => string },
): Promise<{ links: Link[]; found: Found }> {
  const found: Found = {}
  const links = [
    await judge('silicon', 'silicon root → report', async (proof) => {
      found.silicon = await siliconLink(evidence, { anchors: roots.anchors, at: judgedAt(time(), at), proof })
    }),
    await judge('measurement', 'report → launch measurement', async (proof) => {
      await measurementLink(evidence, need(found.silicon, 'silicon'), { ...asked, proof })
    }),
    await judge('claims', 'report → claims', async (proof) => {
      found.claims = await claimsLink(evidence, need(found.silicon, 'silicon'), { vmId: asked.vmId, proof })
    }),
  ]
  return { links, found }
}

/** @param o.at the time at which certificates are judged */
const vtpmOf = async (
  evidence: BootFacts,
  found: Found,
  o: { title: string; roots: Roots; at: string },
): Promise<Link> =>
  await judge('vtpm', o.title, async (proof) => {
    const seen = { silicon: need(found.silicon, 'silicon'), claims: need(found.claims, 'claims') }
    found.ak = await vtpmLink(evidence, seen, { ...o.roots.authority, at: new Date(o.at), proof })
  })

/** From the hardware to the guest that reported, with none of the operator's services in between. */
async function statelessLinks(request: TrustRequest, asked: KnownAsked): Promise<GuestFindings> {
  const evidence = request.evidence as StatelessBootEvidence
  const { roots } = request
  const { links: first, found } = await hardwareLinks(request, evidence, { asked, time: () => evidence.shownAt })
  const links = [
    ...first,
    await judge('own-verifier', 'claims → no operator services', (proof) => {
      statelessLink(evidence, need(found.claims, 'claims'), proof)
    }),
    await vtpmOf(evidence, found, { title: 'claims → vTPM of this boot', roots, at: evidence.shownAt }),
  ]
  const guest = await guestLinks(request, asked, { found, diskTitle: 'measured boot → disk' })
  return whole({ ...guest, links: [...links, ...guest.links] }, evidence)
}

async function allLinks(
  request: TrustRequest,
  asked: KnownAsked,
): Promise<GuestFindings & { verifier: TrustReport['verifier'] }> {
  const evidence = request.evidence as BootEvidence
  const { roots } = request
  // Judged at the time of the release: everything was available then, and what was valid then vouches for a guest still
  // running. The host states the time; the token, which the provider signed, must come from this boot and be valid
  // then.
  const { links: first, found } = await hardwareLinks(request, evidence, { asked, time: () => evidence.release.at })
  const services = await serviceLinks(request, asked, { evidence, found })
  const vtpm = await vtpmOf(evidence, found, { title: 'guest state → vTPM', roots, at: evidence.release.at })
  const guest = await guestLinks(request, asked, { found, diskTitle: 'measured boot → disk unlocked' })
  const { firmware, verifier } = services
  const pins = guest.pins && { ...guest.pins, ...(firmware !== undefined && { firmware: firmware.value }) }
  const links = [...first, ...services.links, vtpm, ...guest.links]
  return { ...whole({ ...guest, links, pins }, evidence), verifier }
}

/** What the operator's services did for this boot: token, keys, and the state that they open. */
async function serviceLinks(
  request: TrustRequest,
  asked: KnownAsked,
  { evidence, found }: { evidence: BootEvidence; found: Found },
): Promise<{ links: Link[]; firmware: Known<PinnedFirmware> | undefined; verifier: TrustReport['verifier'] }> {
  const { anchors, authority } = request.roots
  const { root } = authority
  let token: TokenFinding | undefined
  let firmware: Known<PinnedFirmware> | undefined
  const hardware = (): { silicon: SiliconFinding; claims: Known<RuntimeClaims> } => ({
    silicon: need(found.silicon, 'silicon'),
    claims: need(found.claims, 'claims'),
  })
  const links = [
    await judge('transfer-key', 'claims → transfer key', async (proof) => {
      await transferKeyLink(need(found.claims, 'claims'), proof)
    }),
    await judge('token', 'claims → token', async (proof) => {
      const { fetchKeySet, verifiers, asked: provider } = request
      const o = { fetchKeySet, ...(verifiers && { verifiers }), asked: provider, issuer: asked.issuer, proof }
      token = await tokenLink(evidence, hardware(), o)
    }),
    await judge('release', 'token → key released', async (proof) => {
      const seen = { ...hardware(), token: need(token, 'token') }
      found.released = await releaseLink(evidence, seen, { root, proof })
    }),
    await judge('firmware', 'key released → firmware release', async (proof) => {
      const { release } = need(found.released, 'release')
      firmware = await firmwareLink(need(found.silicon, 'silicon'), release, { anchors, asked, proof })
    }),
    ...(request.diskEncryptionSet === undefined && evidence.customerRelease === undefined
      ? []
      : [
          await judge('customer-key', 'token → customer key released', async (proof) => {
            const { mapsAzureProviders = false } = request
            const o = { root, expected: asked.diskEncryptionSet, mapsAzureProviders, proof }
            await customerLink(evidence, need(token, 'token'), o)
          }),
        ]),
    await judge('guest-state', 'key → guest state', (proof) => {
      const { counter } = need(found.released, 'release')
      guestStateLink(evidence, { counter, claims: need(found.claims, 'claims'), restored: asked.restored, proof })
    }),
  ]
  return { links, firmware, verifier: token?.verifier }
}

interface GuestFindings {
  links: Link[]
  pins: BootPins | undefined
  sshHostKey: string | undefined
}

/** Links of a guest, that are not checked if none ran. */
const ofGuest = ['disk', 'ssh-host-key', 'running-guest']

/** Nothing is pinned from an untrusted boot. If no guest ran there is no disk to pin. */
function whole(found: GuestFindings, { guestRan }: BootFacts): GuestFindings {
  const holds = found.links.every(
    ({ id, outcome }) =>
      outcome === 'verified' || (guestRan === false && ofGuest.includes(id) && outcome === 'not checked'),
  )
  return { ...found, pins: holds ? found.pins : undefined }
}

/** The request decides whether there is one: the evidence comes from the host. */
function launchOfBoot({ encryption, evidence, roots, at }: TrustRequest, found: Found): LaunchOfBoot | undefined {
  if (encryption === 'NonPersistedTPM') return undefined
  const { guestState } = evidence as BootEvidence
  const released = need(found.released, 'release')
  return { ...released, claims: need(found.claims, 'claims'), guestState, root: roots.authority.root, at }
}

/** Which image the guest booted, what it opened, and which accounts it has. */
async function guestLinks(
  request: TrustRequest,
  asked: KnownAsked,
  { found, diskTitle }: { found: Found; diskTitle: string },
): Promise<GuestFindings> {
  const { evidence, roots } = request
  const { anchors, authority } = roots
  let image: { measurements: Known<ImageMeasurements>; pins: Known<BootPins> } | undefined
  let quote: BootQuote | undefined
  let volume: Known<string> | undefined
  let hostKey: Known<string> | undefined
  const links = [
    await judge('image', 'requested image → measurements', async (proof) => {
      image = await imageLink(evidence, { anchors, asked, document: request.measurements, proof })
    }),
  ]
  const measured = await judge('measured-boot', 'vTPM → measured boot', async (proof) => {
    quote = await bootQuote(evidence, need(found.ak, 'vtpm'))
    const seen = { quote, measurements: need(image, 'image').measurements }
    await measuredBootLink(evidence, seen, { ...asked, proof })
  })
  const booted = (): BootQuote => need(measured.outcome === 'verified' ? quote : undefined, 'measured-boot')
  links.push(
    measured,
    await judge('disk', diskTitle, async (proof) => {
      const registers = (): BootQuote['registers'] => need(quote, 'measured-boot').registers
      volume = await diskLink(evidence, { ...asked, registers, proof })
    }),
    await judge('settings', 'measured boot → accounts and keys', async (proof) => {
      const seen = { registers: booted().registers, claims: need(found.claims, 'claims') }
      await settingsLink(evidence, seen, { reference: asked.settings, authority: authority.certificate, proof })
    }),
    await judge('ssh-host-key', 'measured boot → SSH host key', async (proof) => {
      hostKey = await hostKeyLink(evidence, { registers: booted().registers, pinned: asked.sshHostKey, proof })
    }),
  )
  const guest = await request.askedGuest
  if (guest !== undefined)
    links.push(
      await judge('running-guest', 'measured boot → the guest that runs now', async (proof) => {
        if (evidence.guestRan === false) throw new LinkNotChecked('No guest ran, so nobody answers.')
        if ('unanswered' in guest) throw new LinkNotChecked(guest.unanswered)
        const seen = { ak: need(found.ak, 'vtpm'), quote: booted(), hostKey: need(hostKey, 'ssh-host-key') }
        await runningGuestLink(
          evidence,
          { ...seen, launch: launchOfBoot(request, found) },
          { nonce: guest.nonce, answer: guest.answer, proof },
        )
      }),
    )
  const sshHostKey = hostKey?.value === noHostKey ? undefined : hostKey?.value
  const pins = image && {
    ...image.pins.value,
    ...(volume !== undefined && { volume: volume.value }),
    ...(sshHostKey !== undefined && { sshHostKey }),
  }
  return { links, sshHostKey, pins }
}
