import { settingsClaim, type AskedSettings, type BootFacts } from '@strongroom/contract'
import { fromBase64Url, toHex, type Certificate, type RuntimeClaims } from '@strongroom/evidence'
import {
  parseSettings,
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  type GuestSettings,
} from '@strongroom/evidence/expected'
import { sha256Hex } from '../provenance/bytes.ts'
import { derive, deriveAsync, type Known } from '../provenance/known.ts'
import { LinkNotChecked, LinkRefused, short, type Proof } from '../provenance/link.ts'
import type { SettingsReference } from '../provenance/request.ts'
import { pinnedAuthorityDigest } from '../provenance/signed.ts'
import { measuredSettings, type Registers } from '../provenance/vtpm.ts'
import { vmIdOfClaims } from './claims-link.ts'
import { fingerprint } from './fingerprint.ts'
import { restoredOf } from './restored.ts'

const remedy = 'Whoever holds those keys can be in the VM: delete it, and recreate it where you trust its first boot.'

type Evidence = Pick<BootFacts, 'settled' | 'guestRan' | 'osDisk' | 'vtpm'>

/**
 * The accounts, keys and custom data that the guest applied at its first boot are the requested ones. The guest's agent
 * measures them into PCR 14, which the quote covers. The guest received them from the host, so this link detects a key
 * that the host slips in.
 * @param seen.registers of a verified quote
 */
export async function settingsLink(
  evidence: Evidence,
  seen: { registers: Known<Registers>; claims: Known<RuntimeClaims> },
  o: { reference: Known<SettingsReference> | undefined; authority: Certificate; proof: Proof },
): Promise<void> {
  const { reference, proof } = o
  if (reference === undefined)
    throw new LinkNotChecked(
      'The requested account and keys are unknown: the VM was created from a specialised image. Pass the guest’s ' +
        'file /var/lib/strongroom/settled with --settled.',
    )
  requireMeasured(seen.registers.value)
  const settled = 'settled' in reference.value ? reference.value.settled : machineWord(evidence)
  const expected = 'asked' in reference.value ? await registerAsked(settled, reference.value.asked) : undefined
  const settings = await measuredSettings({ settled, registers: seen.registers, expected, remedy })
  const bound = await demandBound(seen.claims, { settings, settled, proof })
  const restored = seen.claims.map(restoredOf)
  const vmId = derive([restored, vmIdOfClaims(seen.claims)], (from, own) => from?.vmUniqueId ?? own)
  if ('asked' in reference.value) await compare(settings, { reference, vmId, proof })
  // A restored guest has the authority of the installation where it was set up, for which only its owner can vouch.
  const isRestored = 'settled' in reference.value && restored.value !== undefined
  if (!isRestored) await trustsOwnAuthority(settings, { evidence, authority: o.authority, proof })
  const register = seen.registers.map((of) => short(toHex(of.get(settingsRegister) ?? new Uint8Array())))
  proof.proves`PCR ${settings.map(() => settingsRegister)} ${register} is of ${await deriveAsync([settings], describe)}`
  if (evidence.guestRan === false) proof.informs('no guest ran, extended as one would have')
  if (settings.value.passwordDigest !== undefined)
    proof.informs('the account has a password, which the resource manager saw in clear and the host as a hash')
  if (bound !== undefined) proof.proves`settings ${bound} in the attested claims: the vTPM was made for them`
  proof.proves`compared with ${reference.map(({ by }) => words[by])}`
  if (isRestored) proof.proves`${settings.map(restoredText)}`
  if (evidence.osDisk.encryption === 'none' && evidence.guestRan !== false)
    proof.informs('the OS disk is not encrypted: whoever has it can write other keys to it later')
}

function requireMeasured(registers: Registers): void {
  const found = registers.get(settingsRegister) ?? new Uint8Array()
  if (found.some((byte) => byte !== 0)) return
  throw new LinkRefused({
    message: `The guest measured no account and no keys into PCR ${settingsRegister}.`,
    expected: 'the agent of the reference image, which does at every boot',
    actual: toHex(found) || 'no such register in the quote',
  })
}

async function describe({ adminUsername, sshPublicKeys, customData }: GuestSettings): Promise<string> {
  const data = customData === undefined ? 'no custom data' : `custom data ${short(await sha256Hex(customData))}`
  return `account ${adminUsername}, ${await list(sshPublicKeys)}, ${data}: set up at the first boot`
}

const restoredText = ({ vmId, authorityDigest }: GuestSettings): string =>
  `set up as VM ${vmId}; it trusts the authority of the installation of that VM ` +
  `(${short(hexOf(authorityDigest) ?? 'none')})`

/**
 * The paravisor states the settings that the vTPM was made for in the claims; what was measured must be those. So a host
 * changes them at no boot, the first neither, by whichever disk it puts back.
 * @returns the digest in short form; undefined for a VM from before its claims had it
 */
async function demandBound(
  claims: Known<RuntimeClaims>,
  o: { settings: Known<GuestSettings>; settled: Uint8Array; proof: Proof },
): Promise<Known<string> | undefined> {
  const claimed = claims.map(({ configuration }) => configuration[settingsClaim])
  if (claimed.value === undefined) {
    o.proof.informs(
      'the attested claims have no settings: the VM is from before they had, or its disk brought its own. What they are was ' +
        'decided on the disk, of which the host may have put an older copy back',
    )
    return undefined
  }
  const found = await deriveAsync([o.settings], textDigest)
  o.proof.demand({
    holds: derive([claimed, found], (wanted, actual) => wanted === actual),
    message: `The guest set up other settings than the attested claims have (PCR ${settingsRegister}). ${remedy}`,
    expected: `SHA-256 ${JSON.stringify(claimed.value)}`,
    actual: `SHA-256 ${found.value}`,
  })
  return found.map(short)
}

/** Of the guest's file: the text is canonical. */
const textDigest = async (settings: GuestSettings): Promise<string> => await sha256Hex(settingsText(settings))

/** The guest trusts the services of this installation, and no other authority that a host gave it. */
async function trustsOwnAuthority(
  settings: Known<GuestSettings>,
  o: { evidence: Evidence; authority: Certificate; proof: Proof },
): Promise<void> {
  const wanted = await pinnedAuthorityDigest(o.evidence.vtpm.akCertificateChainPem, o.authority)
  const found = settings.map(({ authorityDigest }) => hexOf(authorityDigest))
  o.proof.demand({
    holds:
      wanted === undefined
        ? settings.map(() => false)
        : derive([found, wanted], (actual, expected) => actual === expected),
    message:
      `The guest trusts a certificate authority other than this installation’s (PCR ${settingsRegister}). Whoever ` +
      'holds its key can impersonate every service the guest talks to: delete the VM, and recreate it.',
    expected: wanted?.value ?? 'the certificate of this installation in the evidence',
    actual: found.value ?? 'none recorded',
  })
}

const words = {
  owner: 'what you passed',
  creator: 'the request recorded when this VM was created here',
  'resource manager': 'the resource manager’s record; pass --ssh-key FILE to compare with your own keys',
  file: 'the file you passed',
  'first boot': 'the first boot of this VM that you trusted here',
  backup: 'the backup that you restored',
} as const

function machineWord(evidence: Evidence): Uint8Array {
  if (evidence.settled === undefined)
    throw new LinkNotChecked('The host did not record what it gave the guest at this boot: restart the VM.')
  return fromBase64Url(evidence.settled)
}

/**
 * PCR 14 of a guest with the requested settings; what the request left open (host name, the data behind a digest) is
 * taken from the guest's file.
 */
async function registerAsked(settled: Uint8Array, asked: AskedSettings): Promise<string | undefined> {
  let told: GuestSettings
  try {
    told = parseSettings(settled)
  } catch {
    return undefined
  }
  const { hostname, vmId, authorityDigest, customData, passwordDigest } = told
  if ((await sha256Of(customData)) !== asked.customDataSha256 || hexOf(passwordDigest) !== asked.passwordSha256)
    return undefined
  const { adminUsername, sshPublicKeys } = asked
  const text = settingsText({
    hostname,
    vmId,
    ...(authorityDigest && { authorityDigest }),
    ...(customData && { customData }),
    ...(passwordDigest && { passwordDigest }),
    adminUsername,
    sshPublicKeys,
  })
  return toHex(await settingsRegisterValue(text))
}

async function compare(
  settings: Known<GuestSettings>,
  o: { reference: Known<SettingsReference>; vmId: Known<string>; proof: Proof },
): Promise<void> {
  const asked = o.reference.map(askedOf)
  const demand = (
    holds: Known<boolean>,
    message: string,
    { expected, actual }: { expected: string | undefined; actual: string | undefined },
  ): void => o.proof.demand({ holds, message, expected: expected ?? 'none', actual: actual ?? 'none' })
  const [found, wanted] = [settings.value, asked.value]
  demand(
    derive([settings, o.vmId], ({ vmId }, own) => vmId === own),
    `The guest was set up as another VM (PCR ${settingsRegister}): its disk is a copy of that VM’s disk.`,
    { expected: o.vmId.value, actual: found.vmId },
  )
  demand(
    derive([settings, asked], (a, b) => a.adminUsername === b.adminUsername),
    `The guest has a different administrator than requested (PCR ${settingsRegister}).`,
    { expected: wanted.adminUsername, actual: found.adminUsername },
  )
  const foreign = derive([settings, asked], foreignKeys)
  demand(
    foreign.map(({ length }) => length === 0),
    `The guest accepts SSH keys that were not requested (PCR ${settingsRegister}). ${remedy}`,
    {
      expected: await list(wanted.sshPublicKeys),
      actual: (await Promise.all(foreign.value.map(fingerprint))).join(', '),
    },
  )
  demand(
    derive([asked, settings], (a, b) => foreignKeys(a, b).length === 0),
    `The guest lacks requested SSH keys (PCR ${settingsRegister}).`,
    { expected: await list(wanted.sshPublicKeys), actual: await list(found.sshPublicKeys) },
  )
  const customData = await deriveAsync([settings], customDigest)
  demand(
    derive([customData, asked], (digest, { customDataSha256 }) => digest === customDataSha256),
    `The guest was given different custom data than requested (PCR ${settingsRegister}).`,
    { expected: wanted.customDataSha256, actual: customData.value },
  )
  demand(
    derive([settings, asked], ({ passwordDigest }, { passwordSha256 }) => hexOf(passwordDigest) === passwordSha256),
    `The guest’s account has a different password than requested, or an unrequested one (PCR ${settingsRegister}). ${remedy}`,
    { expected: wanted.passwordSha256, actual: hexOf(found.passwordDigest) },
  )
}

function askedOf(reference: SettingsReference): AskedSettings {
  if ('asked' in reference) return reference.asked
  throw new TypeError('a file of settings is compared as a whole')
}

type Keys = Pick<AskedSettings, 'sshPublicKeys'>

/** Keys of the first that the second lacks. */
const foreignKeys = (of: Keys, than: Keys): string[] => {
  const known = new Set(than.sshPublicKeys.map(withoutComment))
  return of.sshPublicKeys.filter((key) => !known.has(withoutComment(key)))
}

const customDigest = async ({ customData }: GuestSettings): Promise<string | undefined> => await sha256Of(customData)

const sha256Of = async (bytes: Uint8Array | undefined): Promise<string | undefined> =>
  bytes === undefined ? undefined : await sha256Hex(bytes)

const hexOf = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : toHex(bytes))

/** Type and key: a comment grants no access. A line that begins with options is a different line. */
const withoutComment = (line: string): string => line.trim().split(/\s+/).slice(0, 2).join(' ')

const list = async (keys: readonly string[]): Promise<string> =>
  keys.length === 0 ? 'no SSH key' : (await Promise.all(keys.map(fingerprint))).join(', ')
