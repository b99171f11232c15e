import { ArmClient } from '../../client/arm.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { contentOf } from '../../core/file-content.ts'
import { personalSshKey, readPublicKeys } from '../../core/ssh-key.ts'
import { askedWith, rememberAsked } from '../../trust/asked-settings.ts'
import { readTrustAnchors } from '../../trust/roots.ts'
import { rememberName } from '../../trust/known-names.ts'
import {
  defaultAdmin,
  referenceImage,
  sendNewVm,
  sizeFor,
  vmBody,
  vmPath,
  type VmRequest,
} from '../../up/vm-request.ts'
import { firmwareUpdatesOf, firmwareUpdatesOption } from './update.ts'
import { columns, fetchVm, followed, groupOf, newGroupOption, noWaitOption, row, type VmResource } from './resource.ts'

export const createCommand: Command = {
  words: ['vm', 'create'],
  args: ['<name>'],
  summary: 'create a confidential VM, and wait until its guest is ready',
  options: [
    newGroupOption,
    {
      flags: '--security-type <type>',
      summary: 'ConfidentialVM, TrustedLaunch or Standard; the last two offer no protection from the host',
      default: 'ConfidentialVM',
      choices: ['ConfidentialVM', 'TrustedLaunch', 'Standard'],
    },
    {
      flags: '--tee <tee>',
      summary: 'snp or tdx; picks the smallest size of that kind',
      default: 'snp',
      choices: ['snp', 'tdx'],
    },
    { flags: '--size <size>', summary: 'VM size, for example Standard_DC4as_v5' },
    {
      flags: '--encryption <type>',
      summary: 'DiskWithVMGuestState, VMGuestStateOnly or NonPersistedTPM',
      default: 'DiskWithVMGuestState',
      choices: ['DiskWithVMGuestState', 'VMGuestStateOnly', 'NonPersistedTPM'],
    },
    { flags: '--no-secure-boot', summary: 'turn Secure Boot off' },
    { flags: '--image <image>', summary: 'publisher:offer:sku:version or a resource id', default: referenceImage },
    { flags: '--admin-username <user>', summary: 'account to create in the guest', default: defaultAdmin },
    { flags: '--ssh-key <file>', summary: 'file with SSH public keys; by default your own key pair, created once' },
    {
      flags: '--attestation-provider <id>',
      summary:
        'resource id of your own attestation provider, or the name of one of another origin; only that provider ' +
        'can attest the VM; by default the region’s',
    },
    firmwareUpdatesOption,
    { flags: '--custom-data <file>', summary: 'for cloud-init, or /var/lib/waagent/CustomData in an image without it' },
    { flags: '--user-data <file>', summary: 'shown to the guest at its metadata endpoint' },
    {
      flags: '--disk-encryption-set <id>',
      summary: 'resource id of a disk-encryption set: the VM needs your key in addition to the platform’s',
    },
    { flags: '--assign-identity', summary: 'give the VM an identity; its guest gets tokens at 169.254.169.254' },
    noWaitOption,
  ],
  examples: [
    'strongroom vm create second --tee tdx',
    'strongroom vm create third --size Standard_DC4as_v5 --encryption VMGuestStateOnly',
  ],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const name = context.args[0]!
    const path = vmPath(arm, groupOf(context), name)
    const keyFile = textOption(context, 'sshKey')
    const keys =
      keyFile === undefined ? [(await personalSshKey(context.paths.config)).publicText] : await readPublicKeys(keyFile)
    const attestationProvider = textOption(context, 'attestationProvider')
    const securityType = textOption(context, 'securityType') ?? 'ConfidentialVM'
    const firmware = firmwareUpdatesOf(context)
    const customData = await encoded(textOption(context, 'customData'))
    const userData = await encoded(textOption(context, 'userData'))
    const diskEncryptionSet = textOption(context, 'diskEncryptionSet')
    const request = {
      name,
      securityType,
      ...(customData !== undefined && { customData }),
      ...(userData !== undefined && { userData }),
      group: groupOf(context),
      size:
        textOption(context, 'size') ??
        (securityType === 'ConfidentialVM' ? sizeFor(textOption(context, 'tee') ?? 'snp') : 'Standard_D2as_v5'),
      encryption: textOption(context, 'encryption') ?? 'DiskWithVMGuestState',
      secureBoot: context.options['secureBoot'] !== false,
      image: textOption(context, 'image') ?? referenceImage,
      adminUsername: textOption(context, 'adminUsername') ?? defaultAdmin,
      sshPublicKeys: keys,
      ...(attestationProvider !== undefined && { attestationProvider: providerId(arm, attestationProvider) }),
      ...(diskEncryptionSet !== undefined && { diskEncryptionSet }),
      ...(firmware !== undefined && { firmwareUpdates: firmware }),
      ...(context.options['assignIdentity'] === true && { systemAssigned: true }),
    }
    // Before there is anything to trust: whoever exchanges the roots afterwards is found out.
    await readTrustAnchors(context.paths)
    const accepted = await sendNewVm(arm, request, async () => vmBody(arm, request))
    // Before the wait: a creation that fails or is interrupted can be repeated by a start.
    await rememberRequest(context, await fetchVm(arm, path), request)
    await followed(context, arm, accepted)
    const vm = await fetchVm(arm, path)
    return { data: vm, table: { columns, rows: [row(vm)] } }
  },
}

/** Stores the request with its sender: `vm trust` compares the guest with it. */
export async function rememberRequest(
  context: CommandContext,
  vm: VmResource,
  request: Pick<
    VmRequest,
    | 'adminUsername'
    | 'sshPublicKeys'
    | 'customData'
    | 'image'
    | 'secureBoot'
    | 'encryption'
    | 'firmwareUpdates'
    | 'diskEncryptionSet'
  >,
): Promise<void> {
  const customData = request.customData === undefined ? undefined : Buffer.from(request.customData, 'base64')
  const { image, secureBoot, encryption: asked, firmwareUpdates, diskEncryptionSet } = request
  await rememberAsked(context.paths.config, vm.properties.vmId, {
    ...askedWith({ ...request, customData }),
    vm: {
      image,
      secureBoot,
      encryption: asked,
      ...(firmwareUpdates !== undefined && { firmwareUpdates }),
      ...(diskEncryptionSet !== undefined && { diskEncryptionSet }),
    },
  })
  await rememberName(context.paths.config, vm.id, { vmId: vm.properties.vmId })
}

/** A file's content in base64. */
async function encoded(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  return (await contentOf(path)).toString('base64')
}

/** A plain name is that of a provider of another origin, as the operator named it. */
const providerId = (arm: ArmClient, given: string): string =>
  given.startsWith('/') ? given : `${arm.subscription}/providers/Strongroom.Attestation/verifiers/${given}`
