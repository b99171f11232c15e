import { constants } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isOrdinary, type AnySpec, type ImageRecord, type InstanceSpec } from '@strongroom/contract'
import type { RootPartition } from '@strongroom/evidence/expected'
import { ServiceError, type Sealer } from '@strongroom/platform'
import { provisionRestored } from '../restores/restored-vm.ts'
import type { Restores } from '../restores/restores.ts'
import type { AccessGrants } from '../disks/stored/access-grants.ts'
import { copyOsDisk, encryptOsDisk } from '../disks/os-disk.ts'
import type { DiskDriver } from '../disks/disk-driver.ts'
import { imageBootFile, imageFiles } from '@strongroom/paravisor/expected'
import { requireBootFile } from '../disks/signed-content.ts'
import { imageNotSigned } from '../image/published-measurements.ts'
import type { ImageStatements } from '../image/image-statements.ts'
import { findImage } from '../image/catalog.ts'
import { findStoredImage, storedFiles, type KeptRecord } from '../disks/stored/record.ts'
import { makeGuest, readCaptured, readCustomerKey, wrappingKeyOf, type StateServices } from '@strongroom/paravisor'
import { makeRuntime, sweepRuntime, type VmFiles } from '../records/layout.ts'
import { provisionOrdinary } from './ordinary-guest.ts'
import type { Provisioned } from '../records/provisioned.ts'

interface ProvisionRequest extends StateServices {
  spec: AnySpec
  files: VmFiles
  sealer: Sealer
  cacheDir: string
  stateDir: string
  tenantId: string
  step(name: string): Promise<void>
  signal: AbortSignal
  disks: DiskDriver
  measurements: ImageStatements
  restores?: Restores | undefined
  grants?: AccessGrants | undefined
}

const nothingKept: Provisioned = { sealedTo: undefined, volume: undefined, wrappedBy: undefined }

/**
 * Creates a VM's vTPM, UEFI variables, OS disk and guest state. Remains of an interrupted run are removed first,
 * because the parts belong together. No secret touches a disk in clear.
 * @throws ServiceError ImageNotFound, ImageNotQualified, OsDiskTooSmall, …
 */
export async function provision(o: ProvisionRequest): Promise<Provisioned> {
  const { spec, files } = o
  await sweepRuntime(spec.vmId)
  await rm(files.directory, { recursive: true, force: true })
  await mkdir(files.directory, { recursive: true, mode: 0o700 })
  if (!isOrdinary(spec) && spec.restore !== undefined)
    return await provisionRestored({ ...o, spec, restores: o.restores, grants: o.grants })
  await o.step('Find image')
  await o.disks.fetchImage(spec, o.signal)
  const { image, kept } = await requireImage(o, spec)
  if (kept !== undefined) await keepImage(image, files)
  if (isOrdinary(spec)) {
    await provisionOrdinary({ ...o, spec, image })
    return nothingKept
  }
  if (spec.security.encryption !== 'NonPersistedTPM') return await provisionKept({ ...o, spec, image, kept })
  // vTPM and UEFI variables are created at each boot: there is nothing to store and no key to store it under.
  await o.step('Copy OS disk')
  await copyOsDisk({ image, sizeGiB: spec.osDisk.sizeGiB, out: files.disk, signal: o.signal })
  return nothingKept
}

/** For a VM whose guest state is kept. */
type KeptRequest = ProvisionRequest & { spec: InstanceSpec; image: ImageRecord; kept: KeptRecord | undefined }

async function provisionKept(o: KeptRequest): Promise<Provisioned> {
  const { spec, files } = o
  const wrappingKey = await wrappingKeyOf(o)
  const { customerKey } = spec
  const keyId = customerKey?.keyIds[0]
  const customer =
    customerKey === undefined || keyId === undefined ? undefined : await readCustomerKey({ ...o, customerKey, keyId })
  const { runtimeDir, user } = await makeRuntime(spec.vmId)
  try {
    const captured = await capturedWith(o)
    const content = await signedContent(o, captured)
    const { identity, sealedTo, volume } = await makeGuest({
      ...o,
      wrappingKey,
      customer,
      variables: variablesOf(o, captured),
      runtimeDir,
      user,
      path: files.guestState,
      makeDisk: async () => await makeOsDisk(o, { runtimeDir, imageKey: captured?.diskKey, content }),
    })
    await o.disks.keep(spec, files, o.signal)
    return { identity, sealedTo, volume, wrappedBy: keyId }
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

type Captured = Awaited<ReturnType<typeof readCaptured>>

/** The guest state captured together with the image. */
async function capturedWith(o: KeptRequest): Promise<Captured | undefined> {
  const { image, kept, signal } = o
  if (image.guestState === undefined || kept?.spec.guest === undefined) return undefined
  const { guestState } = storedFiles(o.stateDir, kept.spec.id)
  return await readCaptured({ services: o, signal, guest: kept.spec.guest, guestState })
}

/**
 * What the root partition must hold. The boot file that everything is bound to is compared here, before there is a key.
 * @returns undefined for what was captured: it is as its VM left it, and if it was encrypted, under a key of that VM
 */
async function signedContent(o: KeptRequest, captured: Captured | undefined): Promise<RootPartition | undefined> {
  const { image, measurements } = o
  const signed = await measurements.of(image)
  requireBootFile(image, signed.bootFile, await imageBootFile(image))
  if (captured !== undefined || image.source === 'capture') return undefined
  if (signed.root === undefined) throw imageNotSigned(image)
  return signed.root
}

/** The captured image's own, if their Secure Boot setting is the VM's. */
const variablesOf = (o: KeptRequest, captured: Captured | undefined): Captured | undefined =>
  o.image.guestState?.secureBoot === o.spec.security.secureBoot ? captured : undefined

/** @returns the new volume, if the disk is encrypted */
async function makeOsDisk(
  o: KeptRequest,
  at: { runtimeDir: string; imageKey: Uint8Array | undefined; content: RootPartition | undefined },
): Promise<Awaited<ReturnType<typeof encryptOsDisk>> | undefined> {
  const { image, spec, files, signal } = o
  const disk = { image, sizeGiB: spec.osDisk.sizeGiB, out: files.disk, signal }
  if (spec.security.encryption !== 'DiskWithVMGuestState') {
    await o.step('Copy OS disk')
    await copyOsDisk(disk)
    return undefined
  }
  await o.step('Encrypt OS disk')
  const { imageKey, ...to } = at
  const volume = await encryptOsDisk({ ...disk, ...to, ...(imageKey !== undefined && { imageKey }) })
  imageKey?.fill(0)
  return volume
}

async function requireImage(
  o: { cacheDir: string; stateDir: string },
  spec: AnySpec,
): Promise<{ image: ImageRecord; kept?: KeptRecord }> {
  const found = await findStoredImage(o.stateDir, spec.image)
  const image = found?.image ?? (await findImage(o.cacheDir, spec.image))
  if (image === undefined) {
    throw new ServiceError({
      code: 'ImageNotFound',
      status: 404,
      message: `This host has no image ${spec.image}.`,
      target: 'image',
      expected: 'an image of `strongroom image list`',
      found: spec.image,
      remedy: 'Build or import it: strongroom image build',
    })
  }
  const kept = found !== undefined && { kept: found.kept }
  if (isOrdinary(spec)) {
    if (image.guestState !== undefined) throw otherEncryption(image, image.guestState.encryption, 'none')
    return { image, ...kept }
  }
  const encrypts = spec.security.encryption === 'DiskWithVMGuestState'
  const bound = image.guestState?.encryption
  if (bound !== undefined && bound !== spec.security.encryption)
    throw otherEncryption(image, bound, spec.security.encryption)
  if (image.qualifies.confidential && (!encrypts || image.qualifies.diskEncryption)) return { image, ...kept }
  throw new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `Image ${image.name} cannot be used for this confidential VM: ${image.qualifies.reasons.join(' ')}`,
    target: 'image',
    expected: encrypts ? 'an image whose root can be encrypted' : 'an image for confidential VMs',
    found: image.qualifies.reasons.join(' '),
    remedy: 'Use the reference image, or an image that meets these requirements.',
  })
}

/** A VM still boots if its image is gone: it has a copy of what predicts its registers. */
async function keepImage(image: ImageRecord, files: VmFiles): Promise<void> {
  const directory = join(files.directory, 'image')
  await mkdir(directory, { mode: 0o700 })
  for (const name of [imageFiles.boot, imageFiles.certificates])
    await copyFile(join(dirname(image.path), name), join(directory, name), constants.COPYFILE_FICLONE)
  await writeFile(join(directory, imageFiles.record), JSON.stringify(image), { mode: 0o600 })
}

/** A VM's image as far as a boot needs it: boot file and certificates. */
export async function imageOfVm(
  o: { cacheDir: string; stateDir: string },
  spec: AnySpec,
  files: VmFiles,
): Promise<ImageRecord> {
  const directory = join(files.directory, 'image')
  const own = await readFile(join(directory, imageFiles.record), 'utf8').catch(() => undefined)
  if (own === undefined) return (await requireImage(o, spec)).image
  return { ...(JSON.parse(own) as ImageRecord), path: join(directory, imageFiles.disk) }
}

const otherEncryption = (image: ImageRecord, bound: string, found: string): ServiceError =>
  new ServiceError({
    code: 'ImageNotQualified',
    status: 409,
    message: `Image ${image.name} was captured with its guest state: VMs created from it have its encryption type.`,
    target: 'security.encryption',
    expected: bound,
    found,
    remedy: `Use ${bound}.`,
  })
