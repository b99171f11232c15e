import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '@strongroom/platform'
import { partitionTypes, readPartitions, type Partition } from './gpt.ts'
import { inspectLuks } from './luks.ts'
import { extractRange, insertRange } from './sparse.ts'

/** Passphrases here are 256 random bits: guessing them is no more work with many iterations than with few. */
const derivation = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000']
/** LUKS2 as systemd-repart writes it: 16 MiB of header before the data. */
const headerBytes = 20 * 1024 ** 2

async function cryptsetup(args: string[], signal?: AbortSignal): Promise<void> {
  await run({ command: 'cryptsetup', args: ['--batch-mode', ...args], ...(signal && { signal }) })
}

export async function rootPartition(disk: string): Promise<Partition> {
  const root = (await readPartitions(disk))?.find((partition) => partition.type === partitionTypes.rootX64)
  if (root === undefined) throw new TypeError(`${disk} has no root partition`)
  return root
}

/**
 * Lets a passphrase open an encrypted disk in place of a TPM: nothing but the LUKS2 header changes. Keys are given by
 * files on memory-backed storage.
 */
export async function exchangeKey(o: { disk: string; oldKeyFile: string; newKeyFile: string }): Promise<void> {
  const root = await rootPartition(o.disk)
  const sealed = (await inspectLuks(o.disk))?.tpm !== undefined
  const directory = await mkdtemp(join(dirname(o.disk), '.header-'))
  try {
    const header = join(directory, 'header')
    const length = Math.min(headerBytes, root.sizeBytes)
    await extractRange({ from: o.disk, offset: root.offset, length, to: header })
    await cryptsetup(['luksChangeKey', ...derivation, '--key-file', o.oldKeyFile, header, o.newKeyFile])
    if (sealed) await cryptsetup(['token', 'remove', '--token-id', '0', header])
    await insertRange({ from: header, to: o.disk, offset: root.offset })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/**
 * Gives an encrypted disk a volume key of its own and seals it to a TPM: whoever knew the old volume key, from inside a VM
 * of the same image, reads nothing of it. The passphrase is gone afterwards. What lies on disk meanwhile is ciphertext.
 * @param o.directory for the work, 0700, beside the disk
 * @param o.keyFile memory-backed
 */
export async function resealDisk(o: {
  disk: string
  directory: string
  keyFile: string
  srkPublic: Uint8Array
  pcrs: string
  signal?: AbortSignal
}): Promise<void> {
  const root = await rootPartition(o.disk)
  const volume = join(o.directory, 'root')
  const devicePublicKey = join(o.directory, 'srk.public')
  const signal = o.signal && { signal: o.signal }
  await extractRange({ from: o.disk, offset: root.offset, length: root.sizeBytes, to: volume, ...signal })
  const offline = ['--force-offline-reencrypt', '--resilience', 'none', ...derivation]
  await cryptsetup(['reencrypt', ...offline, '--key-file', o.keyFile, volume], o.signal)
  await cryptsetup(['luksUUID', '--uuid', randomUUID(), volume])
  await writeFile(devicePublicKey, o.srkPublic, { mode: 0o600 })
  await run({
    command: 'systemd-cryptenroll',
    args: [
      `--unlock-key-file=${o.keyFile}`,
      `--tpm2-device-key=${devicePublicKey}`,
      `--tpm2-pcrs=${o.pcrs}`,
      // A policy key or PCR lock that this machine has for itself must not open a guest's disk.
      '--tpm2-public-key-pcrs=',
      '--tpm2-pcrlock=',
      '--wipe-slot=password',
      volume,
    ],
    ...signal,
  })
  await insertRange({ from: volume, to: o.disk, offset: root.offset, ...signal })
  await rm(volume, { force: true })
}
