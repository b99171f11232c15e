import { isDeepStrictEqual } from 'node:util'
import { guestFirmwarePath, type AnyBootEvidence, type RetrievedEvidence } from '@strongroom/contract'
import {
  askedByRecord,
  providerIdOf,
  type AskedImage,
  type AskedProvider,
  type BootPins,
  type SettingsReference,
} from '@strongroom/trust'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { contentOf } from '../../core/file-content.ts'
import type { Result } from '../../core/output.ts'
import { readPublicKeys } from '../../core/ssh-key.ts'
import { askedWith, recallAsked, rememberAsked, type AskedVm } from '../../trust/asked-settings.ts'
import { trustResult } from '../../trust/report.ts'
import { defaultAdmin, imageReference } from '../../up/vm-request.ts'
import { fleetPlacement } from './placement.ts'
import { fetchVm, groupOption, openVm, type VmResource } from './resource.ts'

export const fetchEvidence = async (arm: ArmClient, path: string): Promise<RetrievedEvidence> =>
  (await arm.send('POST', `${path}/retrieveBootEvidence`, apiVersions.compute)).json as RetrievedEvidence

/** Verifies the host's record of the VM's last boot against what was requested. */
export async function judgeTrust(
  context: CommandContext,
  o: { arm: ArmClient; path: string; name: string },
): Promise<{ result: Result; trusted: boolean; pin: () => Promise<void> }> {
  const { fetchKeySet, verifiers, server } = await context.connect()
  const vm = await fetchVm(o.arm, o.path)
  const stated = await statedSettings(context)
  const { asked, ...retrieved } = await fetchEvidence(o.arm, o.path)
  const evidence: AnyBootEvidence = retrieved
  const made = await recallAsked(context.paths.config, vm.properties.vmId)
  const restored = made?.restored && {
    manifest: made.restored.manifest,
    settled: Buffer.from(made.restored.settled, 'base64url'),
  }
  const settings: SettingsReference | undefined =
    stated ??
    (restored && { by: 'backup', settled: restored.settled }) ??
    (made && { by: 'creator', asked: made }) ??
    (asked === undefined ? undefined : { by: 'resource manager', asked })
  const document = await measurementsOption(context)
  const record = askedByRecord(vm)
  const found = await trustResult({
    name: o.name,
    evidence,
    ...record,
    encryption: made?.vm?.encryption ?? record.encryption,
    firmware: textOption(context, 'firmware'),
    askedFirmware: {
      updates: made?.vm?.firmwareUpdates ?? record.askedFirmware?.updates,
      pinned: made?.pins?.firmware,
    },
    image: askedImage(record.image, made),
    measurements: document,
    secureBoot: askedSecureBoot(context, record.secureBoot, made),
    volume: made?.pins?.volume,
    // Someone who created it without a backup detects a restore by others.
    restored: restored ?? (made && null),
    verifiers,
    mapsAzureProviders: server.mapsAzureProviders === true,
    asked: await askedProvider(o.arm, vm),
    settings,
    stateDir: context.paths.state,
    at: new Date(),
    fetchKeySet,
  })
  return { ...found, pin: async () => await pinFirst(context, vm.properties.vmId, made, found.pins) }
}

/**
 * The first boot that its creator trusts determines what every later one must run and open; the highest boot-file
 * generation and the number of updates of Secure Boot variables, that nothing before them comes back. Firmware is pinned
 * too: a boot is trusted only with firmware that the signed list and its owner allow after the last one.
 */
async function pinFirst(
  context: CommandContext,
  vmId: string,
  made: AskedVm | undefined,
  seen: BootPins | undefined,
): Promise<void> {
  if (made === undefined || seen === undefined) return
  const generation = Math.max(seen.generation ?? 0, made.pins?.generation ?? 0)
  const variableUpdates = Math.max(seen.variableUpdates ?? 0, made.pins?.variableUpdates ?? 0)
  const { firmware } = seen
  const pins = {
    ...seen,
    ...made.pins,
    ...(generation > 0 && { generation }),
    ...(variableUpdates > 0 && { variableUpdates }),
    ...(firmware !== undefined && { firmware }),
  }
  if (isDeepStrictEqual(pins, made.pins)) return
  await rememberAsked(context.paths.config, vmId, { ...made, pins })
  context.say('Boot file, volume and firmware of this boot are saved: every later boot is compared with them.')
}

/** From the creator's own folder, else the resource manager's record. */
const askedImage = (record: AskedImage, made: AskedVm | undefined): AskedImage =>
  made?.vm === undefined
    ? { ...record, ...keptOf(made) }
    : { by: 'creator', reference: imageReference(made.vm.image), ...keptOf(made) }

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

export const trustCommand: Command = {
  words: ['vm', 'trust'],
  args: ['<name>'],
  summary: 'verify the stored evidence of the last boot again and print the trust report',
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
    { flags: '--secure-boot <on|off>', summary: 'if you changed it since you created the VM' },
    {
      flags: '--firmware <file>',
      summary: `firmware that the guest must have been launched with; by default Debian’s, ${guestFirmwarePath}`,
    },
  ],
  examples: ['strongroom vm trust first', 'strongroom vm trust first --ssh-key ~/.ssh/id_ed25519.pub'],
  run: async (context) => {
    const vm = await openVm(context)
    const { result, trusted, pin } = await judgeTrust(context, vm)
    await pin()
    if (!trusted) process.exitCode = exitCodes.notTrusted
    const placement = await fleetPlacement(vm.arm, vm.path)
    if (placement === undefined) return result
    const data = { ...(result.data as object), placement: placement.data }
    return { ...result, data, lines: [...(result.lines ?? []), ...placement.lines] }
  },
}
