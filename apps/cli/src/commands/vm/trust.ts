import { guestFirmwarePath, imageText, type AnyBootEvidence, type RetrievedEvidence } from '@strongroom/contract'
import {
  askedByRecord,
  firstUseWarnings,
  providerIdOf,
  type AskedFirmware,
  type AskedImage,
  type AskedProvider,
  type BootPins,
  type SettingsReference,
} from '@strongroom/trust'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { publicNames } from '../../client/public-names.ts'
import { whileBusy } from '../../core/busy.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { contentOf } from '../../core/file-content.ts'
import type { Result } from '../../core/output.ts'
import { readPublicKeys } from '../../core/ssh-key.ts'
import { askedWith, recallAsked, settingsOf, type AskedVm } from '../../trust/asked-settings.ts'
import { askGuest } from '../../trust/ask-guest.ts'
import { recallName } from '../../trust/known-names.ts'
import { pinBoot } from '../../trust/pin-boot.ts'
import { trustResult, type TrustRequest } from '../../trust/report.ts'
import { defaultAdmin, imageReference } from '../../up/vm-request.ts'
import { fleetPlacement } from './placement.ts'
import { fetchVm, groupOption, openVm, type VmResource } from './resource.ts'

export const fetchEvidence = async (arm: ArmClient, path: string): Promise<RetrievedEvidence> =>
  (await arm.send('POST', `${path}/retrieveBootEvidence`, apiVersions.compute)).json as RetrievedEvidence

/** Verifies the host's record of the VM's last boot against what was requested, and asks the guest that runs now. */
export async function judgeTrust(
  context: CommandContext,
  o: { arm: ArmClient; path: string; name: string; now?: (doing: string) => void },
): Promise<{ result: Result; trusted: boolean; vmId: string; pin: () => Promise<void> }> {
  const { now = () => undefined } = o
  now('fetching the evidence of the last boot')
  const { fetchKeySet, verifiers, server } = await context.connect()
  // Asked first: it answers, or does not, while the evidence is fetched and verified.
  const askedGuest = askGuest(o.arm, o.path)
  const vm = await fetchVm(o.arm, o.path)
  const stated = await statedSettings(context)
  const { asked, ...retrieved } = await fetchEvidence(o.arm, o.path)
  const evidence: AnyBootEvidence = retrieved
  const { vmId } = vm.properties
  const made = await recallAsked(context.paths.config, vmId)
  const warnings = firstUseWarnings({
    vmId,
    known: await recallName(context.paths.config, o.path),
    pinned: made?.pins !== undefined,
    recorded: made !== undefined,
  })
  for (const { code, message } of warnings) context.say(`WARNING ${code}: ${message}`)
  const restored = made?.restored && {
    manifest: made.restored.manifest,
    settled: Buffer.from(made.restored.settled, 'base64url'),
  }
  const settings =
    stated ??
    (restored && ({ by: 'backup', settled: restored.settled } as const)) ??
    storedSettings(made) ??
    (asked === undefined ? undefined : ({ by: 'resource manager', asked } as const))
  const document = await measurementsOption(context)
  const record = askedByRecord(vm)
  now('verifying each link, and waiting for the guest that runs now')
  const found = await trustResult({
    name: o.name,
    evidence,
    ...record,
    ...askedEncryption(context, record, made),
    firmware: textOption(context, 'firmware'),
    askedFirmware: askedFirmware(record.askedFirmware, made),
    image: askedImage(record.image, made),
    measurements: document,
    secureBoot: askedSecureBoot(context, record.secureBoot, made),
    ...askedVolume(made),
    // Someone who created it without a backup detects a restore by others.
    restored: restored ?? (made !== undefined && made.firstSeen === undefined ? null : undefined),
    warnings,
    verifiers,
    mapsAzureProviders: server.mapsAzureProviders === true || (await answersAzureNames(context)),
    asked: await askedProvider(o.arm, vm),
    settings,
    paths: context.paths,
    typed: context.typed,
    askedGuest,
    sshHostKey: pinnedHostKey(context, made),
    at: new Date(),
    fetchKeySet,
  })
  const firstSeen = firstSeenOf(vm, evidence)
  const of = { id: o.path, vmId, name: o.name, seen: found.pins, firstSeen, rekeyed: askedVolume(made).rekeyed }
  return { ...found, pin: async () => await pin(context, of) }
}

/** Whether Azure's names of the shared providers mean this installation's now. */
const answersAzureNames = async (context: CommandContext): Promise<boolean> =>
  await publicNames(context.paths.state, 'show').then(
    ({ open }) => open,
    () => false,
  )

const askedEncryption = (
  context: CommandContext,
  record: ReturnType<typeof askedByRecord>,
  made: AskedVm | undefined,
): Pick<ReturnType<typeof askedByRecord>, 'encryption' | 'diskEncryptionSet'> => ({
  encryption: made?.vm?.encryption ?? record.encryption,
  diskEncryptionSet:
    textOption(context, 'diskEncryptionSet') ?? made?.vm?.diskEncryptionSet ?? record.diskEncryptionSet,
})

/** The pinned volume, and when its owner replaced the key since. */
const askedVolume = (made: AskedVm | undefined): Pick<TrustRequest, 'volume' | 'rekeyed'> => ({
  volume: made?.pins?.volume,
  rekeyed: made?.rekey?.at,
})

/** None if the caller changed the key. */
const pinnedHostKey = (context: CommandContext, made: AskedVm | undefined): string | undefined =>
  context.options['newHostKey'] === true ? undefined : made?.pins?.sshHostKey

const askedFirmware = (record: AskedFirmware | undefined, made: AskedVm | undefined): AskedFirmware => ({
  updates: made?.vm?.firmwareUpdates ?? record?.updates,
  pinned: made?.pins?.firmware,
})

function storedSettings(made: AskedVm | undefined): SettingsReference | undefined {
  if (made?.firstSeen !== undefined)
    return { by: 'first boot', settled: Buffer.from(made.firstSeen.settled, 'base64url') }
  const asked = made && settingsOf(made)
  return asked && { by: 'creator', asked }
}

/** Pins what the boot showed, and says so: nobody else's statement replaces what was pinned before. */
async function pin(
  context: CommandContext,
  o: Omit<Parameters<typeof pinBoot>[1], 'seen' | 'at'> & { name: string; seen: BootPins | undefined },
): Promise<void> {
  if (o.seen === undefined) return
  const lines = await pinBoot(context.paths.config, { ...o, seen: o.seen, at: new Date() })
  if (lines.length === 0) return
  context.say(`Pinned from now on, as first seen: every later boot of ${o.name} (vmId ${o.vmId}) is compared with`)
  for (const line of lines) context.say(`  ${line}`)
}

/** What is recorded of a VM that was not created here; undefined if the guest showed nothing of its accounts and keys. */
function firstSeenOf(vm: VmResource, evidence: AnyBootEvidence): AskedVm | undefined {
  if (evidence.settled === undefined) return undefined
  const { image, secureBoot, encryption } = askedByRecord(vm)
  const firstSeen = { at: new Date().toISOString(), settled: evidence.settled }
  return {
    firstSeen,
    ...(image.reference !== undefined && { vm: { image: imageText(image.reference), secureBoot, encryption } }),
  }
}

/** From the creator's own folder, else the resource manager's record. */
const askedImage = (record: AskedImage, made: AskedVm | undefined): AskedImage =>
  made?.vm === undefined
    ? { ...record, ...keptOf(made) }
    : {
        by: made.firstSeen === undefined ? 'creator' : 'first boot',
        reference: imageReference(made.vm.image),
        ...keptOf(made),
      }

const keptOf = (
  made: AskedVm | undefined,
): Pick<AskedImage, 'bootFile' | 'publisher' | 'generation' | 'variableUpdates'> => ({
  bootFile: made?.pins?.bootFile,
  publisher: made?.pins?.publisher,
  generation: made?.pins?.generation,
  variableUpdates: made?.pins?.variableUpdates,
})

function askedSecureBoot(context: CommandContext, record: boolean, made: AskedVm | undefined): boolean {
  const stated = textOption(context, 'secureBoot')
  if (stated === 'on' || stated === 'off') return stated === 'on'
  if (stated === undefined) return made?.vm?.secureBoot ?? record
  throw new CliError({
    code: 'InvalidArgument',
    message: 'Secure Boot is on or off.',
    expected: '--secure-boot on, or --secure-boot off',
    found: stated,
    exitCode: exitCodes.usage,
  })
}

/** A document of `strongroom image measurements`: the compact JWS, or the JSON that has it. */
async function measurementsOption(context: CommandContext): Promise<string | undefined> {
  const file = textOption(context, 'measurements')
  if (file === undefined) return undefined
  const text = (await contentOf(file)).toString('utf8').trim()
  if (!text.startsWith('{')) return text
  try {
    const { jws } = JSON.parse(text) as { jws?: unknown }
    if (typeof jws === 'string') return jws
  } catch {
    // Said below.
  }
  throw new CliError({
    code: 'InvalidArgument',
    message: `${file} has no signed measurements.`,
    expected: 'the output of `strongroom image measurements --output json`',
    exitCode: exitCodes.usage,
  })
}

/** What the caller states the guest must have applied; nothing by default. */
async function statedSettings(context: CommandContext): Promise<SettingsReference | undefined> {
  const [settled, keyFile, user, dataFile] = ['settled', 'sshKey', 'adminUsername', 'customData'].map((name) =>
    textOption(context, name),
  )
  if (settled !== undefined) return { by: 'file', settled: await contentOf(settled) }
  if (keyFile === undefined) {
    if (user === undefined && dataFile === undefined) return undefined
    throw new CliError({
      code: 'InvalidArgument',
      message: 'An account or custom data without SSH keys is only part of what the VM was created with.',
      expected: '--ssh-key FILE beside',
      remedy: 'Add --ssh-key with the file of public keys that the VM was created with.',
      exitCode: exitCodes.usage,
    })
  }
  return {
    by: 'owner',
    asked: askedWith({
      adminUsername: user ?? defaultAdmin,
      sshPublicKeys: await readPublicKeys(keyFile),
      customData: dataFile === undefined ? undefined : await contentOf(dataFile),
    }),
  }
}

/** The provider that the VM named (a resource, or one of another origin in the operator's configuration), else its region's. */
export async function askedProvider(arm: ArmClient, vm: VmResource): Promise<AskedProvider> {
  const id = providerIdOf(vm, arm.subscription)
  try {
    const found = await arm.get<{ properties?: { attestUri?: string } }>(id, apiVersions.attestation)
    const issuer = found.properties?.attestUri
    return issuer === undefined ? { unknown: `${id} is not an attestation provider.` } : { issuer }
  } catch (error) {
    return { unknown: `The attestation provider ${id} of the VM is unavailable: ${(error as Error).message}` }
  }
}

/** For someone who changed it: otherwise a guest with another is refused. */
export const newHostKeyOption = {
  flags: '--new-host-key',
  summary: 'if you changed the SSH host key in the guest: accept the measured one from now on',
}

export const trustCommand: Command = {
  words: ['vm', 'trust'],
  args: ['<name>'],
  names: 'vm',
  summary: 'verify the evidence of the last boot again, ask the guest that runs now, and print the trust report',
  options: [
    groupOption,
    {
      flags: '--ssh-key <file>',
      summary: 'SSH public keys that the VM was created with, instead of the recorded ones',
    },
    { flags: '--admin-username <user>', summary: `with --ssh-key: its account, if not ${defaultAdmin}` },
    { flags: '--custom-data <file>', summary: 'with --ssh-key: the custom data it was created with' },
    { flags: '--settled <file>', summary: 'instead: the guest’s file /var/lib/strongroom/settled' },
    {
      flags: '--measurements <file>',
      summary:
        'signed measurements of the image from `strongroom image measurements`, instead of those the host returns',
    },
    { flags: '--disk-encryption-set <id>', summary: 'if you changed it since you created the VM' },
    { flags: '--secure-boot <on|off>', summary: 'if you changed it since you created the VM' },
    {
      flags: '--firmware <file>',
      summary: `firmware that the guest must have been launched with; by default Debian’s, ${guestFirmwarePath}`,
    },
    newHostKeyOption,
  ],
  examples: ['strongroom vm trust first', 'strongroom vm trust first --ssh-key ~/.ssh/id_ed25519.pub'],
  run: async (context) => {
    const vm = await openVm(context)
    const { result, trusted, pin } = await whileBusy({
      say: context.say,
      terminal: process.stderr.isTTY ? process.stderr : undefined,
      work: async (now, say) => await judgeTrust({ ...context, say }, { ...vm, now }),
    })
    await pin()
    if (!trusted) process.exitCode = exitCodes.notTrusted
    const placement = await fleetPlacement(vm.arm, vm.path)
    if (placement === undefined) return result
    const data = { ...(result.data as object), placement: placement.data }
    return { ...result, data, lines: [...(result.lines ?? []), ...placement.lines] }
  },
}
