import type { AskedSettings, BootFacts } from '@strongroom/contract'
import {
  equal,
  fromBase64,
  fromBase64Url,
  fromHex,
  parsePem,
  toBase64,
  toHex,
  utf8,
  type Certificate,
} from '@strongroom/evidence'
import {
  parseSettings,
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  verifySettings,
  type GuestSettings,
} from '@strongroom/evidence/expected'
import type { SettingsReference } from './asked.ts'
import { sha256, sha256Hex } from './bytes.ts'
import { demand, LinkNotChecked, LinkRefused, short } from './link.ts'
import { restoredOf } from './backup/restored.ts'

const remedy = 'Whoever holds those keys can be in the VM: delete it, and recreate it where you trust its first boot.'

/**
 * The accounts, keys and custom data that the guest applied at its first boot are the requested ones. The guest's agent
 * measures them into PCR 14, which the quote covers. The guest received them from the host, so this link detects a key
 * that the host slips in.
 * @param o.quoted registers of a verified quote
 */
export async function settingsLink(
  evidence: BootFacts,
  o: { quoted: Record<string, string>; reference: SettingsReference | undefined; authority: Certificate },
): Promise<string[]> {
  const { reference } = o
  if (reference === undefined)
    throw new LinkNotChecked(
      'The requested account and keys are unknown: the VM was created from a specialised image. Pass the guest’s file /var/lib/strongroom/settled with --settled.',
    )
  const quoted = fromHex(o.quoted[String(settingsRegister)] ?? '')
  if (quoted.every((byte) => byte === 0))
    throw new LinkRefused({
      message: `The guest measured no account and no keys into PCR ${settingsRegister}.`,
      expected: 'the agent of the reference image, which does at every boot',
      actual: toHex(quoted) || 'no such register in the quote',
    })
  const own = 'settled' in reference
  const settled = own ? reference.settled : machineWord(evidence)
  const stated = own ? undefined : await registerAsked(settled, reference.asked)
  const settings = await explained(settled, quoted, stated)
  const restored = restoredOf(evidence)
  if (!own) await compare(settings, reference.asked, restored?.vmUniqueId ?? evidence.vmId)
  // A restored guest has the authority of the installation where it was set up, for which only its owner can vouch.
  const isRestored = own && restored !== undefined
  if (!isRestored) await trustsOwnAuthority(settings, evidence, o.authority)
  const { customData, passwordDigest } = settings
  return [
    `PCR ${settingsRegister} ${short(toHex(quoted))} is of account ${settings.adminUsername}, ${await list(settings.sshPublicKeys)}, ${
      customData === undefined ? 'no custom data' : `custom data ${short(await sha256Hex(customData))}`
    }: ${evidence.guestRan === false ? 'no guest ran, extended as one would have' : 'set up at the first boot'}`,
    ...(passwordDigest === undefined
      ? []
      : ['the account has a password, which the resource manager saw in clear and the host as a hash']),
    `compared with ${words[reference.by]}`,
    ...(isRestored
      ? [
          `set up as VM ${settings.vmId}; it trusts the authority of the installation of that VM (${short(hexOf(settings.authorityDigest) ?? 'none')})`,
        ]
      : []),
    ...(evidence.osDisk.encryption === 'none' && evidence.guestRan !== false
      ? ['the OS disk is not encrypted: whoever has it can write other keys to it later']
      : []),
  ]
}

/** The guest trusts the services of this installation, and no other authority that a host gave it. */
async function trustsOwnAuthority(settings: GuestSettings, evidence: BootFacts, authority: Certificate): Promise<void> {
  const text = evidence.vtpm.akCertificateChainPem
  const [der = new Uint8Array()] = parsePem(text)
  const wanted = equal(der, authority.raw) ? await sha256Hex(utf8(text)) : undefined
  const found = hexOf(settings.authorityDigest)
  demand({
    holds: wanted !== undefined && found === wanted,
    message: `The guest trusts a certificate authority other than this installation’s (PCR ${settingsRegister}). Whoever holds its key can impersonate every service the guest talks to: delete the VM, and recreate it.`,
    expected: wanted ?? 'the certificate of this installation in the evidence',
    actual: found ?? 'none recorded',
  })
}

const words = {
  owner: 'what you passed',
  creator: 'the request recorded when this VM was created here',
  'resource manager': 'the resource manager’s record; pass --ssh-key FILE to compare with your own keys',
  file: 'the file you passed',
  backup: 'the backup that you restored',
} as const

function machineWord(evidence: BootFacts): Uint8Array {
  if (evidence.settled === undefined)
    throw new LinkNotChecked('The host did not record what it gave the guest at this boot: restart the VM.')
  return fromBase64Url(evidence.settled)
}

async function explained(settled: Uint8Array, quoted: Uint8Array, stated: string | undefined): Promise<GuestSettings> {
  try {
    return await verifySettings({ settled, quoted })
  } catch (error) {
    if (!equal(await settingsRegisterValue(settled), quoted))
      throw new LinkRefused({
        message: `The guest set up other accounts, keys or data than those (PCR ${settingsRegister}). ${remedy}`,
        expected: stated ?? toHex(await settingsRegisterValue(settled)),
        actual: toHex(quoted),
        cause: error,
      })
    throw error
  }
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

async function compare(settings: GuestSettings, asked: AskedSettings, vmId: string): Promise<void> {
  demand({
    holds: settings.vmId === vmId,
    message: `The guest was set up as another VM (PCR ${settingsRegister}): its disk is a copy of that VM’s disk.`,
    expected: vmId,
    actual: settings.vmId,
  })
  demand({
    holds: settings.adminUsername === asked.adminUsername,
    message: `The guest has a different administrator than requested (PCR ${settingsRegister}).`,
    expected: asked.adminUsername,
    actual: settings.adminUsername,
  })
  const wanted = new Set(asked.sshPublicKeys.map(withoutComment))
  const found = new Set(settings.sshPublicKeys.map(withoutComment))
  const foreign = settings.sshPublicKeys.filter((key) => !wanted.has(withoutComment(key)))
  demand({
    holds: foreign.length === 0,
    message: `The guest accepts SSH keys that were not requested (PCR ${settingsRegister}). ${remedy}`,
    expected: await list(asked.sshPublicKeys),
    actual: (await Promise.all(foreign.map(fingerprint))).join(', '),
  })
  demand({
    holds: [...wanted].every((key) => found.has(key)),
    message: `The guest lacks requested SSH keys (PCR ${settingsRegister}).`,
    expected: await list(asked.sshPublicKeys),
    actual: await list(settings.sshPublicKeys),
  })
  const customData = await sha256Of(settings.customData)
  demand({
    holds: customData === asked.customDataSha256,
    message: `The guest was given different custom data than requested (PCR ${settingsRegister}).`,
    expected: asked.customDataSha256 ?? 'none',
    actual: customData ?? 'none',
  })
  demand({
    holds: hexOf(settings.passwordDigest) === asked.passwordSha256,
    message: `The guest’s account has a different password than requested, or an unrequested one (PCR ${settingsRegister}). ${remedy}`,
    expected: asked.passwordSha256 ?? 'none',
    actual: hexOf(settings.passwordDigest) ?? 'none',
  })
}

const sha256Of = async (bytes: Uint8Array | undefined): Promise<string | undefined> =>
  bytes === undefined || bytes.length === 0 ? undefined : await sha256Hex(bytes)

const hexOf = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : toHex(bytes))

/** Type and key: a comment grants no access. A line that begins with options is a different line. */
const withoutComment = (line: string): string => line.trim().split(/\s+/).slice(0, 2).join(' ')

const list = async (keys: readonly string[]): Promise<string> =>
  keys.length === 0 ? 'no SSH key' : (await Promise.all(keys.map(fingerprint))).join(', ')

/** As `ssh-keygen -l` shows a key; a line that is not a key is returned unchanged. */
async function fingerprint(line: string): Promise<string> {
  const [type = '', key = ''] = line.trim().split(/\s+/)
  let blob: Uint8Array
  try {
    blob = fromBase64(key)
  } catch {
    return `${line.slice(0, 80)} (not the base64 of a key)`
  }
  return `${type} SHA256:${toBase64(await sha256(blob)).replace(/={1,2}$/, '')}`
}
