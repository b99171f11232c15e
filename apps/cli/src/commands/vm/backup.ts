import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { backupNamespace, backupStatement, type BackupManifest, type BackupStatus } from '@strongroom/contract'
import { readBackupManifest } from '@strongroom/contract/backup-manifest'
import { verifyBackupReport } from '@strongroom/trust'
import type { Connection } from '../../core/connection.ts'
import { beginBackup, finishBackup, readFolder, sha256, sizeOfFolder, type StoredBackup } from '../../backup/folder.ts'
import { readRecipient } from '../../backup/recipient.ts'
import { fetchDisk, fetchFile, store } from '../../backup/transfer.ts'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { connect } from '../../client/connection.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { personalSshKey, readPublicKeys } from '../../core/ssh-key.ts'
import { keygenSign } from '../../core/ssh-signature.ts'
import { loadRoots } from '../../trust/roots.ts'
import { fetchVm, groupOption, openVm } from './resource.ts'
import { fetchEvidence, judgeTrust } from './trust.ts'

const pollMilliseconds = 500
/** Of the report, TDX alone. */
const quoteFile = 'attestation-quote'
/** How long the owner's statement is valid; copying may take longer. */
const statementMs = 15 * 60_000

/** The installation whose vault has the key; default: this one. */
export async function vaultOf(context: CommandContext): Promise<Connection> {
  const state = textOption(context, 'vaultState')
  return state === undefined ? await context.connect() : await connect(state)
}

export const vaultStateOption = {
  flags: '--vault-state <directory>',
  summary: 'state directory of the installation whose vault has the key; by default this one',
}

export const backupCommand: Command = {
  words: ['vm', 'backup'],
  args: ['<name>'],
  names: 'vm',
  summary: 'back up a running VM for your own key: disks, vTPM and UEFI variables as they are at one moment',
  options: [
    groupOption,
    { flags: '--to <directory>', summary: 'a new folder for the backup' },
    { flags: '--incremental', summary: 'add what changed since the last backup in the folder of --from' },
    { flags: '--from <directory>', summary: 'with --incremental: the folder of the backups before' },
    {
      flags: '--recipient-key <key>',
      summary: 'who can open it: a public RSA key in PEM, or the identifier of an RSA key in a vault',
    },
    vaultStateOption,
    { flags: '--ssh-key <file>', summary: 'private key that the VM accepts; by default the one of this configuration' },
  ],
  examples: [
    'strongroom vm backup first --to backups --recipient-key owner.pub.pem',
    'strongroom vm backup first --incremental --from backups --recipient-key owner.pub.pem',
  ],
  run: async (context) => {
    const { folder, incremental } = await placeOf(context)
    const given = textOption(context, 'recipientKey')
    if (given === undefined) throw missing('--recipient-key', 'a public key in PEM, or a key identifier')
    const vm = await openVm(context)
    const { arm, path } = vm
    const recipient = await readRecipient(given, await vaultOf(context))
    const keyPath = textOption(context, 'sshKey') ?? (await personalSshKey(context.paths.config)).privatePath
    const ownerKeys = await readPublicKeys(`${keyPath.replace(/\.pub$/, '')}.pub`)
    const before = incremental ? await readFolder(folder, ownerKeys) : []
    const { vmId } = (await fetchVm(arm, path)).properties
    requireSameVm(before, vmId)
    // The host could have replaced an untrusted VM.
    const trust = await judgeTrust(context, vm)
    if (!trust.trusted || trust.vmId.toUpperCase() !== vmId.toUpperCase()) throw notTrusted(vm.name)
    const statement = backupStatement({
      vmId,
      recipient: recipient.spkiSha256,
      expires: new Date(Date.now() + statementMs),
    })
    const signature = await keygenSign(keyPath, statement, backupNamespace)
    const body = { recipient: recipient.request, statement, signature: bare(signature) }
    const begun = (await arm.send('POST', `${path}/createBackup`, apiVersions.compute, body)).json as BackupStatus
    const made = await followBackup(context, arm, path, begun.id)
    const { https } = await context.connect()
    const partial = await beginBackup(folder, before.length)
    const jws = Buffer.from(await fetchFile(https, made.addresses, 'manifest.jws')).toString('utf8')
    const [manifest, digest] = [readBackupManifest(jws), sha256(jws)]
    const report = await fetchFile(https, made.addresses, 'attestation')
    const quote =
      made.addresses?.[quoteFile] === undefined ? undefined : await fetchFile(https, made.addresses, quoteFile)
    const roots = await loadRoots(context.paths)
    const link = await verifyBackupReport({
      evidence: await fetchEvidence(arm, path),
      vmId,
      report,
      quote,
      manifest: digest,
      roots,
      at: new Date(),
    })
    if (link.outcome !== 'verified' || manifest.recipient.spkiSha256 !== recipient.spkiSha256)
      throw notOfThisVm(vm.name, link.why)
    await store(partial, 'manifest.jws', Buffer.from(jws))
    await store(partial, 'attestation', report)
    if (quote !== undefined) await store(partial, quoteFile, quote)
    const fetched = await fetchPieces({
      https,
      addresses: made.addresses,
      manifest,
      last: before.at(-1),
      partial,
      vm: vm.name,
    })
    const directory = await finishBackup({
      partial,
      folder,
      sequence: before.length,
      digest,
      base: before.at(-1)?.digest,
      keyPath,
    })
    const bytes = await sizeOfFolder(directory)
    return {
      data: {
        directory,
        sequence: before.length,
        vmId: manifest.vm.vmId,
        madeAt: manifest.madeAt,
        generation: manifest.generation,
        manifestSha256: digest,
        bytes,
        diskBytes: fetched,
        copiedBytes: made.copiedBytes,
        copiedIncrementally: made.incremental,
      },
      lines: [
        `Backup ${before.length} of ${vm.name} in ${directory}: made at ${manifest.madeAt}, ${mebibytes(bytes)}, ` +
          `${mebibytes(fetched)} of it from ${manifest.disks.length === 1 ? 'its disk' : 'its disks'}.`,
        `Only the private half of the key ${recipient.spkiSha256.slice(0, 16)}… opens it. Consistent as after a loss of power.`,
        ...(incremental && made.incremental !== true
          ? ['The VM was restarted since the backup before: its host read the whole disk to find what changed.']
          : []),
      ],
    }
  },
}

/** Fetches the files and disks of the manifest into the new folder, without what the backup before has. @returns bytes of disks */
async function fetchPieces(o: {
  https: Connection['https']
  addresses: BackupStatus['addresses']
  manifest: BackupManifest
  last: StoredBackup | undefined
  partial: string
  vm: string
}): Promise<number> {
  const { https, addresses, manifest, last, partial } = o
  for (const { name, sha256: wanted } of manifest.files) {
    if (last?.manifest.files.some((file) => file.name === name && file.sha256 === wanted) === true) continue
    const bytes = await fetchFile(https, addresses, name)
    if (sha256(bytes) !== wanted) throw notOfThisVm(o.vm, `${name} is not that of the manifest.`)
    await store(partial, name, bytes)
  }
  let fetched = 0
  for (const { name, sizeBytes, digest: wanted } of manifest.disks) {
    const digests = Buffer.from(await fetchFile(https, addresses, `${name}.digests`))
    if (sha256(digests) !== wanted) throw notOfThisVm(o.vm, `${name}.digests is not that of the manifest.`)
    await store(partial, `${name}.digests`, digests)
    const url = addresses?.[`${name}.raw`] ?? ''
    const base = last?.digests.get(name)
    fetched += await fetchDisk({ https, url, name, sizeBytes, digests, base, directory: partial })
  }
  return fetched
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** The base64 inside an armoured signature. */
const bare = (armoured: string): string =>
  armoured.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, '').replace(/\s/g, '')

async function placeOf(context: CommandContext): Promise<{ folder: string; incremental: boolean }> {
  const [to, from] = [textOption(context, 'to'), textOption(context, 'from')]
  if (context.options['incremental'] === true) {
    if (from === undefined || to !== undefined) throw missing('--from', 'the folder of the backups before, and no --to')
    return { folder: from, incremental: true }
  }
  if (to === undefined || from !== undefined) throw missing('--to', 'a new folder, and no --from')
  const found = await readdir(to).catch(() => [])
  if (found.length === 0) return { folder: to, incremental: false }
  throw new CliError({
    code: 'InvalidArgument',
    message: `${to} is not empty.`,
    expected: 'a new folder',
    found: `${found.length} files`,
    remedy: 'Add to the backups in it with --incremental --from, or use another folder.',
    exitCode: exitCodes.usage,
  })
}

async function followBackup(context: CommandContext, arm: ArmClient, path: string, id: string): Promise<BackupStatus> {
  let told = 0
  for (;;) {
    const status = (await arm.send('POST', `${path}/retrieveBackup`, apiVersions.compute)).json as BackupStatus
    for (const { name } of status.steps.slice(told)) context.say(name)
    told = status.steps.length
    if (status.id !== id)
      throw new CliError({
        code: 'BackupNotFound',
        message: 'Another backup of this VM was begun meanwhile.',
        remedy: 'Repeat the command.',
      })
    if (status.state === 'Succeeded') return status
    if (status.state === 'Failed')
      throw CliError.fromDetail(
        status.error ?? { code: 'BackupNotPossible', message: 'The VM was not backed up.' },
        409,
      )
    await sleep(pollMilliseconds)
  }
}

function requireSameVm(before: readonly StoredBackup[], vmId: string): void {
  const found = before.at(-1)?.manifest.vm.vmId
  if (found === undefined || found.toLowerCase() === vmId.toLowerCase()) return
  throw new CliError({
    code: 'InvalidArgument',
    message: 'The folder has backups of another VM.',
    expected: vmId,
    found,
    remedy: 'Use a new folder with --to.',
    exitCode: exitCodes.usage,
  })
}

const missing = (option: string, expected: string): CliError =>
  new CliError({
    code: 'InvalidArgument',
    message: `${option} is missing or does not fit.`,
    expected: `${option} with ${expected}`,
    remedy: 'strongroom vm backup --help',
    exitCode: exitCodes.usage,
  })

const notTrusted = (name: string): CliError =>
  new CliError({
    code: 'VmNotTrusted',
    message: `${name} is not trusted: a backup of it would be one of whatever its host made of it.`,
    expected: 'a VM whose trust report holds',
    remedy: `Check \`strongroom vm trust ${name}\`.`,
    exitCode: exitCodes.notTrusted,
  })

const notOfThisVm = (name: string, why = 'it is for another key.'): CliError =>
  new CliError({
    code: 'BackupAltered',
    message: `What the host returned is not a backup of ${name} as it was asked for: ${why}`,
    expected: 'a manifest that this VM’s processor reported',
    remedy: 'Do not keep it. Check who runs the host.',
    exitCode: exitCodes.notTrusted,
  })
