import { guestFirmwarePath, type RetrievedEvidence } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../core/command.ts'
import { contentOf } from '../core/file-content.ts'
import type { Result } from '../core/output.ts'
import { readPublicKeys } from '../core/ssh-key.ts'
import { askedWith, recallAsked, type SettingsReference } from '../trust/asked-settings.ts'
import { trustResult } from '../trust/report.ts'
import type { AskedProvider } from '../trust/verifier.ts'
import { defaultAdmin } from '../up/vm-request.ts'
import { diskSecurity, encryption, fetchVm, groupOption, openVm, type VmResource } from './vm.ts'

export const fetchEvidence = async (arm: ArmClient, path: string): Promise<RetrievedEvidence> =>
  (await arm.send('POST', `${path}/retrieveBootEvidence`, apiVersions.compute)).json as RetrievedEvidence

/** Verifies what the machine kept of the VM's last boot, against what was asked for. */
export async function judgeTrust(
  context: CommandContext,
  o: { arm: ArmClient; path: string; name: string },
): Promise<{ result: Result; trusted: boolean }> {
  const { fetchKeySet, verifiers } = await context.connect()
  const vm = await fetchVm(o.arm, o.path)
  const stated = await statedSettings(context)
  const { asked, ...evidence } = await fetchEvidence(o.arm, o.path)
  const made = await recallAsked(context.paths.config, vm.properties.vmId)
  const settings: SettingsReference | undefined =
    stated ??
    (made && { by: 'creator', asked: made }) ??
    (asked === undefined ? undefined : { by: 'resource manager', asked })
  return await trustResult({
    name: o.name,
    evidence,
    encryption: encryption(vm),
    size: vm.properties.hardwareProfile.vmSize,
    firmware: textOption(context, 'firmware'),
    diskEncryptionSet: diskSecurity(vm).diskEncryptionSet?.id,
    verifiers,
    asked: await askedProvider(o.arm, vm),
    settings,
    stateDir: context.paths.state,
    at: new Date(),
    fetchKeySet,
  })
}

/** What the caller says the guest must have settled; nothing where the caller says nothing. */
async function statedSettings(context: CommandContext): Promise<SettingsReference | undefined> {
  const [settled, keyFile, user, dataFile] = ['settled', 'sshKey', 'adminUsername', 'customData'].map((name) =>
    textOption(context, name),
  )
  if (settled !== undefined) return { by: 'file', settled: await contentOf(settled) }
  if (keyFile === undefined) {
    if (user === undefined && dataFile === undefined) return undefined
    throw new CliError({
      code: 'InvalidArgument',
      message: 'An account or custom data without keys says only half of what the VM was asked for with.',
      expected: '--ssh-key FILE beside',
      remedy: 'Add --ssh-key with the file of public keys that the VM was made with.',
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
  const id =
    vm.properties.securityProfile?.attestationProvider?.id ??
    `${arm.subscription}/providers/Microsoft.Attestation/locations/${vm.location}/defaultProvider`
  try {
    const found = await arm.get<{ properties?: { attestUri?: string } }>(id, apiVersions.attestation)
    const issuer = found.properties?.attestUri
    return issuer === undefined ? { unknown: `${id} is no attestation provider.` } : { issuer }
  } catch (error) {
    return { unknown: `The attestation provider ${id} of the VM cannot be had: ${(error as Error).message}` }
  }
}

export const trustCommand: Command = {
  words: ['vm', 'trust'],
  args: ['<name>'],
  summary: 'verify the stored evidence of the last boot afresh and print the trust report',
  options: [
    groupOption,
    { flags: '--ssh-key <file>', summary: 'SSH public keys that the VM was made with, instead of the record of them' },
    { flags: '--admin-username <user>', summary: `beside --ssh-key: its account, where it is not ${defaultAdmin}` },
    { flags: '--custom-data <file>', summary: 'beside --ssh-key: the custom data that it was made with' },
    { flags: '--settled <file>', summary: 'instead: /var/lib/strongroom/settled of its guest, whole' },
    {
      flags: '--firmware <file>',
      summary: `firmware that the guest must have been launched with; by default Debian’s, ${guestFirmwarePath}`,
    },
  ],
  examples: ['strongroom vm trust first', 'strongroom vm trust first --ssh-key ~/.ssh/id_ed25519.pub'],
  run: async (context) => {
    const { result, trusted } = await judgeTrust(context, await openVm(context))
    if (!trusted) process.exitCode = exitCodes.notTrusted
    return result
  },
}
