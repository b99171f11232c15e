import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BackupManifest, RestoreOffer } from '@strongroom/contract'
import { readBackupPayload } from '@strongroom/contract/backup-manifest'
import { EvidenceError, fromBase64Url, toHex, verifyBackup } from '@strongroom/evidence'
import { measureBootFile, parsePe, parseSettings } from '@strongroom/evidence/expected'
import { verifyRestoreOffer } from '@strongroom/trust'
import { restoreDataDisks, type RestoredDisk } from '../../backup/data-disks.ts'
import { chunksOf, readBeside, readFolder, type StoredBackup } from '../../backup/folder.ts'
import { unwrapDataKey } from '../../backup/recipient.ts'
import { sendDisk, sendFile } from '../../backup/transfer.ts'
import { apiVersions, ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { personalSshKey, readPublicKeys } from '../../core/ssh-key.ts'
import { recallAsked, rememberAsked } from '../../trust/asked-settings.ts'
import { rememberName } from '../../trust/known-names.ts'
import { ownFirmware } from '../../trust/firmware.ts'
import { loadRoots } from '../../trust/roots.ts'
import { createProgress } from '../../up/progress.ts'
import { groupPath } from '../../up/vm-network.ts'
import { sendNewVm, vmBody, vmPath } from '../../up/vm-request.ts'
import { vaultOf, vaultStateOption } from './backup.ts'
import { columns, fetchVm, groupOf, newGroupOption, row } from './resource.ts'

const pollMilliseconds = 500

export const restoreCommand: Command = {
  words: ['vm', 'restore'],
  args: ['<name>'],
  summary: 'create a VM from a backup of your own, on this or another installation, with your key alone',
  options: [
    newGroupOption,
    { flags: '--from <directory>', summary: 'folder that strongroom vm backup wrote' },
    { flags: '--backup <number>', summary: 'which backup of the folder; by default the newest' },
    {
      flags: '--private-key <file>',
      summary: 'RSA key in PEM that the backup was made for; by default its vault unwraps it',
    },
    vaultStateOption,
    { flags: '--ssh-key <file>', summary: 'public half of the SSH key that signed the backup; by default your own' },
    { flags: '--size <size>', summary: 'VM size; by default that of the VM that was backed up' },
    { flags: '--firmware <file>', summary: 'firmware that the paravisor must run; by default Debian’s' },
  ],
  examples: ['strongroom vm restore second --from backups --private-key owner.pem'],
  run: async (context) => {
    const backups = await chosenBackups(context)
    const backup = backups.at(-1)!
    const dataKey = await unwrapDataKey(backup.manifest, {
      privateKey: textOption(context, 'privateKey'),
      vault: await vaultOf(context),
    })
    try {
      // Finds whatever the storage altered before anything is created.
      for (const { name } of backup.manifest.disks) for await (const _chunk of chunksOf(backups, name));
      for (const { name } of backup.manifest.files) await readBeside(backups, name)
      return await restore(context, { backups, backup, dataKey, manifest: await authenticated(backup, dataKey) })
    } finally {
      dataKey.fill(0)
    }
  },
}

async function chosenBackups(context: CommandContext): Promise<StoredBackup[]> {
  const folder = textOption(context, 'from')
  if (folder === undefined)
    throw new CliError({
      code: 'InvalidArgument',
      message: '--from is missing.',
      expected: '--from with a folder of strongroom vm backup',
      exitCode: exitCodes.usage,
    })
  const keyFile = textOption(context, 'sshKey')
  const keys =
    keyFile === undefined ? [(await personalSshKey(context.paths.config)).publicText] : await readPublicKeys(keyFile)
  const all = await readFolder(folder, keys)
  const number = Number(textOption(context, 'backup') ?? all.length - 1)
  if (all[number] !== undefined) return all.slice(0, number + 1)
  throw new CliError({
    code: 'InvalidArgument',
    message: 'The folder has no such backup.',
    expected: `a number from 0 to ${all.length - 1}`,
    found: String(number),
    exitCode: exitCodes.usage,
  })
}

/** Content of the manifest, once its MAC verifies. */
async function authenticated({ jws, directory }: StoredBackup, dataKey: Uint8Array): Promise<BackupManifest> {
  try {
    return readBackupPayload(await verifyBackup({ jws, dataKey }))
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    throw new CliError({
      code: 'BackupAltered',
      message: `The manifest in ${directory} was changed: ${error.message}.`,
      expected: error.expected ?? 'the manifest as it was made',
      found: error.found ?? 'another',
      remedy: 'Use an unaltered copy of the folder.',
    })
  }
}

interface Opened {
  backups: StoredBackup[]
  backup: StoredBackup
  manifest: BackupManifest
  /** Wiped by the caller. */
  dataKey: Uint8Array
}

async function restore(context: CommandContext, o: Opened): ReturnType<Command['run']> {
  const { manifest, backup } = o
  const connection = await context.connect()
  const arm = new ArmClient(connection)
  const name = context.args[0]!
  const path = vmPath(arm, groupOf(context), name)
  const settled = fromBase64Url(manifest.settled)
  const { adminUsername, sshPublicKeys } = parseSettings(settled)
  const image = `${arm.subscription}/providers/Strongroom.Machine/images/${manifest.image.id}`
  const { encryption, secureBoot } = manifest.vm
  const size = textOption(context, 'size') ?? manifest.vm.size
  const request = { name, group: groupOf(context), size, encryption, secureBoot, image, adminUsername, sshPublicKeys }
  const of = { arm, https: connection.https, group: groupPath(arm, request.group), vmName: name, backups: o.backups }
  const accepted = await sendNewVm(arm, request, async (made) => {
    const dataDisks = await restoreDataDisks({ ...of, created: (id) => void made.push(id) })
    return restoredBody(vmBody(arm, request), backup.jws, dataDisks)
  })
  const { vmId } = (await fetchVm(arm, path)).properties
  const offer = await awaitOffer(arm, path)
  const { links, transferKey } = await verifyRestoreOffer({
    evidence: offer.evidence,
    vmId,
    size,
    manifest: backup.digest,
    roots: await loadRoots(context.paths),
    firmware: await ownFirmware(textOption(context, 'firmware')),
    at: new Date(),
  })
  const wrong = links.find(({ outcome }) => outcome !== 'verified')
  if (transferKey === undefined)
    throw new CliError({
      code: 'ParavisorNotTrusted',
      message: `The key of the backup is not given to this paravisor: ${wrong?.title ?? 'it'} does not hold: ${wrong?.why ?? ''}`,
      ...(wrong?.expected !== undefined && { expected: wrong.expected }),
      ...(wrong?.actual !== undefined && { found: wrong.actual }),
      remedy: `Delete the VM (strongroom vm delete ${name} --yes), and check who runs the host.`,
      exitCode: exitCodes.notTrusted,
    })
  context.say('The paravisor is genuine and was launched for this backup.')
  const { https } = connection
  for (const file of manifest.files)
    await sendFile(https, offer.addresses[file.name] ?? '', await readBeside(o.backups, file.name))
  const bytes = await sendDisk(https, offer.addresses['os.raw'] ?? '', o.backups, 'os')
  context.say(`${(bytes / 2 ** 20).toFixed(1)} MiB of the disk written.`)
  const envelope = publicEncrypt(
    {
      key: createPublicKey({ key: transferKey, format: 'jwk' }),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
    },
    Buffer.concat([o.dataKey, Buffer.from(backup.digest, 'hex')]),
  )
  await arm.send('POST', `${path}/completeRestore`, apiVersions.compute, { envelope: envelope.toString('base64url') })
  const terminal = context.format === 'table' && process.stderr.isTTY ? process.stderr : undefined
  await rememberRestored(context, vmId, { ...o, image, settled })
  await rememberName(context.paths.config, path, { vmId })
  await arm.follow(accepted, createProgress(context.say, terminal).onSteps())
  const vm = await fetchVm(arm, path)
  return { data: vm, table: { columns, rows: [row(vm)] } }
}

/** The request for a VM, with the backup to restore. */
function restoredBody(body: unknown, manifest: string, dataDisks: RestoredDisk[]): unknown {
  const { properties, ...rest } = body as { properties: { storageProfile: object } }
  const storageProfile = { ...properties.storageProfile, ...(dataDisks.length > 0 && { dataDisks }) }
  return { ...rest, properties: { ...properties, storageProfile, restore: { manifest } } }
}

/** What a VM being restored waits for; the host begins when it is the request's turn. */
async function awaitOffer(arm: ArmClient, path: string): Promise<RestoreOffer> {
  for (;;) {
    try {
      return (await arm.send('POST', `${path}/retrieveRestore`, apiVersions.compute)).json as RestoreOffer
    } catch (error) {
      if (!(error instanceof CliError) || !['RestoreNotAwaited', 'InstanceNotFound'].includes(error.code)) throw error
    }
    const vm = await fetchVm(arm, path)
    const failed = vm.properties.instanceView?.statuses?.find(({ code }) => code.startsWith('ProvisioningState/failed'))
    if (vm.properties.provisioningState === 'Failed')
      throw new CliError({
        code: 'ProvisioningFailed',
        message: failed?.message ?? 'The VM was not created.',
        remedy: 'Delete it, and repeat the command.',
      })
    await sleep(pollMilliseconds)
  }
}

/** What every boot of the restored VM is compared with: the boot file and the volume of the VM that was backed up. */
async function rememberRestored(
  context: CommandContext,
  vmId: string,
  o: Opened & { image: string; settled: Uint8Array },
): Promise<void> {
  const { manifest, backup } = o
  const before = await recallAsked(context.paths.config, manifest.vm.vmId)
  const { adminUsername, sshPublicKeys } = parseSettings(o.settled)
  const bootFile = await measureBootFile({ image: parsePe(await readBeside(o.backups, 'boot.efi')), kernel: false })
  await rememberAsked(context.paths.config, vmId, {
    adminUsername,
    sshPublicKeys,
    vm: { image: o.image, secureBoot: manifest.vm.secureBoot, encryption: manifest.vm.encryption },
    pins: {
      bootFile: toHex(bootFile.loader),
      ...before?.pins,
      ...(manifest.volume !== undefined && { volume: manifest.volume }),
    },
    restored: { manifest: backup.digest, settled: manifest.settled },
  })
}
