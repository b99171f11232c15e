import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ErrorDetail, ErrorCode } from '@strongroom/contract'
import { EvidenceError } from '@strongroom/evidence'
import {
  isUnifiedKernelImage,
  parsePe,
  parseSignatureLists,
  parseVariableStore,
  variableData,
  efiVendor,
  type PeImage,
} from '@strongroom/evidence/expected'
import { ProgramError, run } from '@strongroom/platform'
import { partitionTypes, readPartitions, type Partition } from '../disks/gpt.ts'
import { inspectLuks } from '../disks/luks.ts'
import { microsoftVariables, toPem, opensWithVtpmKey, diskKeyField } from '@strongroom/paravisor/expected'
import { operatingSystem } from './describe.ts'

/** Azure's limit for a disk encrypted with the VM (VHD smaller than 32 GB). */
const encryptionLimit = 32 * 1024 ** 3

export interface Qualification {
  /** Why the image cannot run a confidential VM at all; empty if it can. */
  refusals: ErrorDetail[]
  /** Why it can run one only without disk encryption. */
  encryptionReasons: string[]
}

/**
 * Checks a raw disk against all requirements of a confidential VM and reports every fault at once.
 * @param o.bootFile where to write the boot file found on the ESP
 * @param o.extraCertificates PEM file of certificates that the operator adds to db for this image
 */
export async function qualify(o: {
  disk: string
  bootFile: string
  extraCertificates?: string
  directory: string
}): Promise<Qualification> {
  const refusals: ErrorDetail[] = []
  const partitions = await readPartitions(o.disk)
  if (partitions === undefined) {
    refusals.push(
      refusal('NoPartitionTable', 'a valid GUID partition table', 'none', 'Build the image for UEFI (generation 2).'),
    )
    return { refusals, encryptionReasons: [] }
  }
  const esp = partitions.find((partition) => partition.type === partitionTypes.esp)
  const root = partitions.find((partition) => partition.type === partitionTypes.rootX64)
  if (root === undefined) {
    const found = partitions.map((partition) => partition.type).join(', ')
    const remedy = 'Give the root partition this type, so that the initrd finds it.'
    refusals.push(
      refusal('NoRootPartition', `a partition of type root-x86-64 (${partitionTypes.rootX64})`, found, remedy),
    )
  }
  if (esp === undefined) {
    refusals.push(
      refusal('NoEfiSystemPartition', 'an EFI system partition', 'none', 'Build the image for UEFI (generation 2).'),
    )
    return { refusals, encryptionReasons: [] }
  }
  const boot = await readBootFile(o, esp)
  if (Array.isArray(boot)) return { refusals: [...refusals, ...boot], encryptionReasons: [] }
  refusals.push(...(await bootRefusals(o, boot)))
  return { refusals, encryptionReasons: await encryptionReasons(o.disk, partitions, boot) }
}

/** What the firmware starts, or why it could not start it. */
async function readBootFile(o: { disk: string; bootFile: string }, esp: Partition): Promise<PeImage | ErrorDetail[]> {
  const place = '\\EFI\\BOOT\\BOOTX64.EFI'
  try {
    const source = `${o.disk}@@${esp.offset}`
    await run({
      command: 'mcopy',
      args: ['-n', '-i', source, '::/EFI/BOOT/BOOTX64.EFI', o.bootFile],
      env: { MTOOLS_SKIP_CHECK: '1' },
    })
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error
    return [
      refusal('NoBootFile', `${place} on the EFI system partition`, 'no such file', 'Install the boot file there.'),
    ]
  }
  try {
    const boot = parsePe(await readFile(o.bootFile))
    const kernel = boot.sections.find((section) => section.name === '.linux')
    if (kernel !== undefined) parsePe(kernel.data)
    return boot
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    return [
      refusal(
        'BootFileInvalid',
        'a PE32+ image whose kernel is one too',
        error.message,
        'Install a boot file for x86-64.',
      ),
    ]
  }
}

async function bootRefusals(
  o: { bootFile: string; extraCertificates?: string; directory: string },
  boot: PeImage,
): Promise<ErrorDetail[]> {
  const refusals: ErrorDetail[] = []
  if (!isUnifiedKernelImage(boot)) {
    const remedy =
      'Build a unified kernel image with ukify and install it there: otherwise the boot cannot be predicted.'
    refusals.push(
      refusal(
        'NotUnifiedKernelImage',
        'a unified kernel image (.linux, .osrel, .cmdline)',
        boot.sections.map(({ name }) => name).join(' '),
        remedy,
      ),
    )
  } else if (operatingSystem(boot).id === '') {
    refusals.push(refusal('UnknownOperatingSystem', 'ID= in the section .osrel', 'none', 'Pass --os-release to ukify.'))
  }
  if (boot.certificates.length === 0) {
    refusals.push(refusal('NotSigned', 'a Secure Boot signature', 'none', 'Sign the boot file with sbsign.'))
  } else if (!(await signedByAny(o))) {
    const remedy = 'Put the signer certificate (PEM) beside the image as FILE.db.pem, or sign it with a key in db.'
    refusals.push(
      refusal(
        'SignerUnknown',
        'a valid signature by a key in db',
        'another signer, or content changed after signing',
        remedy,
      ),
    )
  }
  return refusals
}

/** Verifies the signature against Microsoft's certificates in db and those that came with the image. */
async function signedByAny(o: { bootFile: string; extraCertificates?: string; directory: string }): Promise<boolean> {
  const db = variableData(parseVariableStore(await microsoftVariables()), 'db', efiVendor.imageSecurity)
  const candidates = parseSignatureLists(db).flatMap((entry) => (entry.type === 'x509' ? [toPem(entry.content)] : []))
  if (o.extraCertificates !== undefined) candidates.unshift(o.extraCertificates)
  for (const [index, pem] of candidates.entries()) {
    const path = join(o.directory, `db-${index}.pem`)
    await writeFile(path, pem, { mode: 0o600 })
    const { code } = await run({ command: 'sbverify', args: ['--cert', path, o.bootFile], allow: [1] })
    if (code === 0) return true
  }
  return false
}

async function encryptionReasons(disk: string, partitions: Partition[], boot: PeImage): Promise<string[]> {
  const reasons: string[] = []
  const { size } = await stat(disk)
  if (size >= encryptionLimit)
    reasons.push(`Disk encryption needs an image below 32 GiB; this one has ${Math.ceil(size / 1024 ** 3)} GiB.`)
  const [first, second] = partitions
  if (partitions.length !== 2 || first?.type !== partitionTypes.esp || second?.type !== partitionTypes.rootX64) {
    reasons.push('Disk encryption needs exactly an EFI system partition followed by the root partition.')
  }
  if (!opensWithVtpmKey(boot)) {
    reasons.push(
      "Disk encryption needs an initrd that reads the disk's key from the vTPM (docs/design/0009-disk-key.md); a " +
        `boot file with such an initrd has ${diskKeyField.name}=${diskKeyField.value} in its section .osrel.`,
    )
  }
  if ((await inspectLuks(disk)) !== undefined) reasons.push('The root partition is already encrypted.')
  return reasons
}

function refusal(code: ErrorCode, expected: string, found: string, remedy: string): ErrorDetail {
  return {
    code,
    message: `The image does not qualify: expected ${expected}.`,
    target: 'image',
    innererror: { expected, found, remedy },
  }
}
