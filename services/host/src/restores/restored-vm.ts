import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupManifest, InstanceSpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { makeEmpty, flush } from '../disks/sparse.ts'
import type { AccessGrants } from '../disks/stored/access-grants.ts'
import { imageFiles, altered, manifestOf, readFirmware } from '@strongroom/paravisor/expected'
import type { ImageStatements } from '../image/image-statements.ts'
import type { VmFiles } from '../records/layout.ts'
import type { Provisioned } from '../records/provisioned.ts'
import { launchForRestore, type OpenedBackup, wrappingKeyOf, type StateServices } from '@strongroom/paravisor'
import { fitToHost } from '../qemu/capacity.ts'
import { chunkDigests, sha256Of } from './chunks.ts'
import type { Restores } from './restores.ts'

/** How long its owner has for writing the files. */
const addressSeconds = 24 * 3600
/** Blobs are written in whole pages. */
const page = 512
const pages = (bytes: number): number => Math.ceil(bytes / page) * page

/**
 * Restores a VM from a backup: waits until its owner has written the files and given the data key to this VM's
 * paravisor, compares every byte with the manifest, and puts vTPM and UEFI variables into a guest state of the VM's
 * own, under its own key and of the next generation.
 * @throws ServiceError BackupAltered, RestoreNotPossible
 */
export async function provisionRestored(
  o: {
    spec: InstanceSpec
    files: VmFiles
    restores: Restores | undefined
    grants: AccessGrants | undefined
    measurements: ImageStatements
    step(name: string): Promise<void>
    signal: AbortSignal
  } & StateServices,
): Promise<Provisioned> {
  const { spec, files, restores, grants, silicon } = o
  const manifest = manifestOf(spec)
  if (manifest === undefined || spec.restore === undefined) throw new TypeError('the VM is made of no backup')
  if (restores === undefined || grants === undefined || silicon === undefined)
    throw notPossible('this host', 'the server’s own host, on simulated silicon', 'another')
  requireSame(spec, manifest)
  await o.step('Wait for the backup and its key')
  const firmware = await readFirmware()
  const { vCPUs } = await fitToHost(spec.size)
  const paravisor = await launchForRestore({ silicon, spec, manifest: spec.restore.manifest, firmware, vCPUs })
  const paths = await layDown(files, manifest)
  const id = randomUUID().toUpperCase()
  const parts = [...paths.keys()]
  const addresses = await grants.grantParts(id, { permission: 'Write', seconds: addressSeconds, parts })
  try {
    const opened = await new Promise<OpenedBackup>((done, fail) => {
      o.signal.addEventListener('abort', () => fail(o.signal.reason as Error), { once: true })
      o.signal.throwIfAborted()
      restores.set(spec.vmId, {
        id,
        files: paths,
        offer: { addresses, evidence: paravisor.evidence },
        complete: async (key) => {
          const sealed = await readFile(paths.get('guest-state')!)
          const bytes = manifest.files.find(({ name }) => name === 'guest-state')?.bytes ?? 0
          const found = await paravisor.open(key, sealed.subarray(0, bytes))
          await requireWhole(found.manifest, paths, o.signal)
          done(found)
        },
      })
    })
    restores.delete(spec.vmId)
    await o.step('Seal guest state')
    await putInPlace(files, manifest, paths)
    await o.measurements.sign?.({ ...manifest.image, path: join(files.directory, 'image', imageFiles.disk) })
    await opened.seal({ path: files.guestState, wrappingKey: await wrappingKeyOf({ ...o, spec }) })
    const { identity, sealedTo, volume } = opened.manifest
    return { identity, sealedTo, volume, wrappedBy: undefined }
  } finally {
    restores.delete(spec.vmId)
    await grants.revoke(id)
  }
}

/** Empty files for what is to be written. */
async function layDown(files: VmFiles, manifest: BackupManifest): Promise<Map<string, string>> {
  const directory = join(files.directory, 'restore')
  await mkdir(directory, { mode: 0o700 })
  const paths = new Map<string, string>()
  for (const { name, bytes } of manifest.files) {
    paths.set(name, join(directory, name))
    await makeEmpty(join(directory, name), pages(bytes))
  }
  const [os] = manifest.disks
  if (os === undefined) throw new TypeError('a manifest has the OS disk')
  paths.set('os.raw', join(directory, 'os.raw'))
  await makeEmpty(join(directory, 'os.raw'), os.sizeBytes)
  return paths
}

/** Every byte matches the manifest, whose MAC verified. @throws ServiceError BackupAltered */
async function requireWhole(manifest: BackupManifest, paths: Map<string, string>, signal: AbortSignal): Promise<void> {
  for (const { name, bytes, sha256 } of manifest.files) {
    const found = await digestOf(paths.get(name)!, bytes)
    if (found !== sha256) throw altered(`The file ${name} of the backup was changed.`, sha256, found)
  }
  const [os] = manifest.disks
  const found = sha256Of(await chunkDigests(paths.get('os.raw')!, signal))
  if (found !== os?.digest) throw altered('The OS disk of the backup was changed.', String(os?.digest), found)
}

async function digestOf(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  if (bytes > 0) for await (const chunk of createReadStream(path, { end: bytes - 1 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

async function putInPlace(files: VmFiles, manifest: BackupManifest, paths: Map<string, string>): Promise<void> {
  const image = join(files.directory, 'image')
  await mkdir(image, { mode: 0o700 })
  for (const [name, of] of [
    ['boot.efi', imageFiles.boot],
    ['db.pem', imageFiles.certificates],
  ] as const) {
    await truncate(paths.get(name)!, manifest.files.find((each) => each.name === name)?.bytes)
    await rename(paths.get(name)!, join(image, of))
  }
  await writeFile(join(image, imageFiles.record), JSON.stringify(manifest.image), { mode: 0o600 })
  await flush(paths.get('os.raw')!)
  await chmod(paths.get('os.raw')!, 0o600)
  await rename(paths.get('os.raw')!, files.disk)
  await rm(join(files.directory, 'restore'), { recursive: true, force: true })
}

/** The inputs of the guest's registers are unchanged. @throws ServiceError RestoreNotPossible */
function requireSame(spec: InstanceSpec, { vm, disks }: BackupManifest): void {
  const { encryption, secureBoot } = spec.security
  if (encryption !== vm.encryption || secureBoot !== vm.secureBoot)
    throw notPossible(
      'its security settings',
      `${vm.encryption}, Secure Boot ${vm.secureBoot ? 'on' : 'off'}`,
      `${encryption}, Secure Boot ${secureBoot ? 'on' : 'off'}`,
    )
  if (spec.osDisk.sizeGiB * 2 ** 30 !== disks[0]?.sizeBytes)
    throw notPossible('the size of its OS disk', `${disks[0]?.sizeBytes} bytes`, `${spec.osDisk.sizeGiB} GiB`)
  if (spec.customerKey !== undefined)
    throw notPossible('its disk-encryption set', 'a VM without one', spec.customerKey.diskEncryptionSet)
}

function notPossible(what: string, expected: string, found: string): ServiceError {
  const message = `The VM cannot be restored with ${what}.`
  const remedy = 'Use strongroom vm restore, which asks for a VM as the backup has it.'
  return new ServiceError({ code: 'RestoreNotPossible', message, target: 'restore', expected, found, remedy })
}
