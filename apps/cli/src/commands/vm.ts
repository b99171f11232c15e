import { spawn } from 'node:child_process'
import type { ImageReference } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../client/arm.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { textOption, type Command, type CommandContext, type Option } from '../core/command.ts'
import { contentOf } from '../core/file-content.ts'
import { personalSshKey, readPublicKeys } from '../core/ssh-key.ts'
import { createProgress } from '../up/progress.ts'
import {
  createVm,
  defaultAdmin,
  defaultGroup,
  groupPath,
  referenceImage,
  sizeFor,
  vmPath,
  type VmRequest,
} from '../up/vm-request.ts'
import { askedWith, rememberAsked } from '../trust/asked-settings.ts'

export interface DiskSecurity {
  securityEncryptionType?: string
  diskEncryptionSet?: { id: string }
}

export interface VmResource {
  id: string
  name: string
  location: string
  properties: {
    vmId: string
    provisioningState: string
    hardwareProfile: { vmSize: string }
    securityProfile?: { attestationProvider?: { id: string }; uefiSettings?: { secureBootEnabled?: boolean } }
    instanceView?: { statuses?: { code: string; displayStatus?: string; message?: string }[] }
    storageProfile?: { imageReference?: ImageReference; osDisk?: { managedDisk?: { securityProfile?: DiskSecurity } } }
  }
}

export interface VmConnection {
  ssh: { host: string; port: number; user: string }
}

export const groupOption: Option = {
  flags: '-g, --resource-group <group>',
  summary: 'resource group',
  default: defaultGroup,
}
const group = (context: CommandContext): string => textOption(context, 'resourceGroup') ?? defaultGroup

const power = (vm: VmResource): string =>
  vm.properties.instanceView?.statuses?.find((status) => status.code.startsWith('PowerState/'))?.displayStatus ??
  'unknown'

export const diskSecurity = (vm: VmResource): DiskSecurity =>
  vm.properties.storageProfile?.osDisk?.managedDisk?.securityProfile ?? {}

export const encryption = (vm: VmResource): string => diskSecurity(vm).securityEncryptionType ?? ''

const row = (vm: VmResource): string[] => [
  vm.name,
  vm.properties.hardwareProfile.vmSize,
  power(vm),
  vm.properties.provisioningState,
  encryption(vm),
  vm.id.split('/')[4] ?? '',
]
const columns = ['Name', 'Size', 'Power', 'Provisioning', 'Encryption', 'Group']

export async function openVm(context: CommandContext): Promise<{ arm: ArmClient; path: string; name: string }> {
  const arm = new ArmClient(await context.connect())
  const name = context.args[0]!
  return { arm, name, path: vmPath(arm, group(context), name) }
}

export const fetchVm = async (arm: ArmClient, path: string): Promise<VmResource> =>
  await arm.get<VmResource>(`${path}?$expand=instanceView`, apiVersions.compute)

export const fetchConnection = async (arm: ArmClient, path: string): Promise<VmConnection> =>
  (await arm.send('POST', `${path}/retrieveConnection`, apiVersions.compute)).json as VmConnection

const create: Command = {
  words: ['vm', 'create'],
  args: ['<name>'],
  summary: 'create a confidential VM and wait until its guest is ready',
  options: [
    groupOption,
    {
      flags: '--security-type <type>',
      summary: 'ConfidentialVM, TrustedLaunch or Standard; the last two keep the host out of nothing',
      default: 'ConfidentialVM',
    },
    { flags: '--tee <tee>', summary: 'snp or tdx; picks the smallest size of that kind', default: 'snp' },
    { flags: '--size <size>', summary: 'VM size, for example Standard_DC4as_v5' },
    {
      flags: '--encryption <type>',
      summary: 'DiskWithVMGuestState, VMGuestStateOnly or NonPersistedTPM',
      default: 'DiskWithVMGuestState',
    },
    { flags: '--no-secure-boot', summary: 'leave Secure Boot off' },
    { flags: '--image <image>', summary: 'publisher:offer:sku:version or a resource id', default: referenceImage },
    { flags: '--admin-username <user>', summary: 'account made in the guest', default: defaultAdmin },
    { flags: '--ssh-key <file>', summary: 'file with SSH public keys; by default a key pair of your own is made once' },
    {
      flags: '--attestation-provider <id>',
      summary:
        'resource id of a provider of your own, or the name of one of another origin, whose word alone opens the VM; by default the region’s',
    },
    { flags: '--custom-data <file>', summary: 'for cloud-init, or /var/lib/waagent/CustomData in an image without it' },
    { flags: '--user-data <file>', summary: 'shown to the guest at its metadata endpoint' },
    {
      flags: '--disk-encryption-set <id>',
      summary: 'resource id of a set whose key, your own, opens the VM beside the platform’s',
    },
    { flags: '--assign-identity', summary: 'give the VM an identity, whose tokens its guest gets at 169.254.169.254' },
  ],
  examples: [
    'strongroom vm create second --tee tdx',
    'strongroom vm create third --size Standard_DC4as_v5 --encryption VMGuestStateOnly',
  ],
  run: async (context) => {
    const { arm, name, path } = await openVm(context)
    const keyFile = textOption(context, 'sshKey')
    const keys =
      keyFile === undefined ? [(await personalSshKey(context.paths.config)).publicText] : await readPublicKeys(keyFile)
    const attestationProvider = textOption(context, 'attestationProvider')
    const securityType = textOption(context, 'securityType') ?? 'ConfidentialVM'
    const customData = await encoded(textOption(context, 'customData'))
    const userData = await encoded(textOption(context, 'userData'))
    const diskEncryptionSet = textOption(context, 'diskEncryptionSet')
    const request = {
      name,
      securityType,
      ...(customData !== undefined && { customData }),
      ...(userData !== undefined && { userData }),
      group: group(context),
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
      ...(context.options['assignIdentity'] === true && { systemAssigned: true }),
    }
    await createVm(arm, request, createProgress(context.say, terminal(context)).onSteps())
    const vm = await fetchVm(arm, path)
    await rememberRequest(context, vm, request)
    return { data: vm, table: { columns, rows: [row(vm)] } }
  },
}

/** What was asked for stays with who asked: `vm trust` holds the guest to it. */
export async function rememberRequest(
  context: CommandContext,
  vm: VmResource,
  request: Pick<VmRequest, 'adminUsername' | 'sshPublicKeys' | 'customData' | 'image' | 'secureBoot' | 'encryption'>,
): Promise<void> {
  const customData = request.customData === undefined ? undefined : Buffer.from(request.customData, 'base64')
  const { image, secureBoot, encryption: asked } = request
  await rememberAsked(context.paths.config, vm.properties.vmId, {
    ...askedWith({ ...request, customData }),
    vm: { image, secureBoot, encryption: asked },
  })
}

/** A file's content in base64. */
async function encoded(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  return (await contentOf(path)).toString('base64')
}

/** A plain name is that of a provider of another origin, as the operator calls it. */
const providerId = (arm: ArmClient, given: string): string =>
  given.startsWith('/') ? given : `${arm.subscription}/providers/Strongroom.Attestation/verifiers/${given}`

const terminal = (context: CommandContext): NodeJS.WriteStream | undefined =>
  context.format === 'table' && process.stderr.isTTY ? process.stderr : undefined

const list: Command = {
  words: ['vm', 'list'],
  summary: 'list the VMs of the subscription, or of one group',
  options: [{ flags: '-g, --resource-group <group>', summary: 'resource group' }],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const only = textOption(context, 'resourceGroup')
    const scope = only === undefined ? arm.subscription : groupPath(arm, only)
    const found = await arm.list<VmResource>(
      `${scope}/providers/Microsoft.Compute/virtualMachines`,
      apiVersions.compute,
    )
    const vms = await Promise.all(found.map(async (vm) => await fetchVm(arm, vm.id)))
    return { data: vms, table: { columns, rows: vms.map(row) } }
  },
}

const show: Command = {
  words: ['vm', 'show'],
  args: ['<name>'],
  summary: 'show one VM with its instance view',
  options: [groupOption],
  run: async (context) => {
    const { arm, path } = await openVm(context)
    const vm = await fetchVm(arm, path)
    const statuses = (vm.properties.instanceView?.statuses ?? []).map(
      (status) => `  ${status.code}: ${status.message ?? status.displayStatus ?? ''}`,
    )
    return {
      data: vm,
      lines: [
        `${vm.name}  ${vm.properties.hardwareProfile.vmSize}  ${power(vm)}`,
        `  id: ${vm.id}`,
        `  vmId: ${vm.properties.vmId}`,
        ...statuses,
      ],
    }
  },
}

const ssh: Command = {
  words: ['vm', 'ssh'],
  args: ['<name>', '[command...]'],
  summary: 'open a shell in the guest, or run one command there',
  options: [groupOption],
  examples: ['strongroom vm ssh first', 'strongroom vm ssh first -- uname -a'],
  run: async (context) => {
    const { arm, path } = await openVm(context)
    const { ssh: target } = await fetchConnection(arm, path)
    // Known by its id: a VM made anew under an old name has another host key.
    const vm = await fetchVm(arm, path)
    const key = await personalSshKey(context.paths.config)
    const knownHosts = `${context.paths.state}/ssh-known-hosts`
    const args = [
      '-i',
      key.privatePath,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      `UserKnownHostsFile=${knownHosts}`,
      '-o',
      'StrictHostKeyChecking=accept-new',
    ]
    args.push(
      '-o',
      `HostKeyAlias=${vm.properties.vmId}`,
      '-o',
      'LogLevel=ERROR',
      '-p',
      String(target.port),
      `${target.user}@${target.host}`,
    )
    if (context.args.length > 1) args.push('--', ...context.args.slice(1))
    const code = await new Promise<number>((done, fail) => {
      const child = spawn('ssh', args, { stdio: 'inherit' })
      child.once('error', fail)
      child.once('exit', (value) => done(value ?? 255))
    })
    process.exitCode = code
    return undefined
  },
}

function powerCommand(word: string, action: string, summary: string): Command {
  return {
    words: ['vm', word],
    args: ['<name>'],
    summary,
    options: [groupOption],
    run: async (context) => {
      const { arm, path } = await openVm(context)
      await arm.run(
        'POST',
        `${path}/${action}`,
        apiVersions.compute,
        undefined,
        createProgress(context.say, terminal(context)).onSteps(),
      )
      const vm = await fetchVm(arm, path)
      return { data: vm, table: { columns, rows: [row(vm)] } }
    },
  }
}

const remove: Command = {
  words: ['vm', 'delete'],
  args: ['<name>'],
  summary: 'delete a VM with its disk, guest state and key: nothing of it can be opened afterwards',
  options: [groupOption, { flags: '-y, --yes', summary: 'do not ask' }],
  run: async (context) => {
    const { arm, path, name } = await openVm(context)
    if (context.options['yes'] !== true) {
      throw new CliError({
        code: 'NotConfirmed',
        message: `Deleting ${name} destroys its key and disk for good.`,
        remedy: 'Add --yes.',
        exitCode: exitCodes.usage,
      })
    }
    await arm.run(
      'DELETE',
      path,
      apiVersions.compute,
      undefined,
      createProgress(context.say, terminal(context)).onSteps(),
    )
    return { data: { deleted: name }, lines: [`${name} is deleted.`] }
  },
}

export const vmCommands: Command[] = [
  create,
  list,
  show,
  ssh,
  powerCommand('start', 'start', 'start a VM: attest, release, unlock, boot'),
  powerCommand('stop', 'powerOff', 'stop a VM; it stays allocated'),
  powerCommand('restart', 'restart', 'restart a VM'),
  powerCommand('deallocate', 'deallocate', 'stop a VM and free its cores'),
  remove,
]
