import { constants } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isOrdinary, type AnySpec, type ImageRecord, type InstanceSpec } from '@strongroom/contract'
import { volumeDigest, volumeText, type BootRegisters } from '@strongroom/evidence/expected'
import { ServiceError, type Sealer } from '@strongroom/platform'
import { provisionRestored } from '../backup/restored-vm.ts'
import type { Restores } from '../backup/restores.ts'
import type { AccessGrants } from '../disk-store/access-grants.ts'
import { copyOsDisk, encryptOsDisk } from '../disks/os-disk.ts'
import type { DiskDriver } from '../disks/disk-driver.ts'
import { makeUefiVariables } from '../disks/uefi-variables.ts'
import { imageKeys, expectedPcrs, updatesOf } from '../image/boot-files.ts'
import { findImage, imageFiles } from '../image/catalog.ts'
import { readCaptured } from '../disk-store/rebind.ts'
import { findStoredImage, storedFiles, type KeptRecord } from '../disk-store/record.ts'
import type { StateServices } from '../paravisor/open-state.ts'
import { registerOf } from '../paravisor/admit-guest.ts'
import { decodeVariableRecord } from '../paravisor/variable-record.ts'
import { wrappingKeyOf } from '../paravisor/wrapping-key.ts'
import { writeDiskKey } from '../tpm/disk-key.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { readCustomerKey } from '../paravisor/customer-key.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { makeRuntime, sweepRuntime, type VmFiles } from './layout.ts'
import { provisionOrdinary } from './ordinary-guest.ts'
import type { Provisioned } from './provisioned.ts'

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
  const { spec, files, image } = o
  const wrappingKey = await wrappingKeyOf(o)
  const { customerKey } = spec
  const keyId = customerKey?.keyIds[0]
  const customer =
    customerKey === undefined || keyId === undefined ? undefined : await readCustomerKey({ ...o, customerKey, keyId })
  const { runtimeDir, user } = await makeRuntime(spec.vmId)
  try {
    const captured = await capturedWith(o)
    await o.step('Make vTPM')
    const directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user })
    const identity = await manufactureTpm({ directory })
    await o.step('Make UEFI variables')
    const { variables, variableRecord } = await variablesOf(o, captured, join(runtimeDir, 'variables.fd'))
    const predicted = await expectedPcrs({ image, variables })
    const atUnlock = { ...predicted.atUnlock, ...(await begunWith(variableRecord)) }
    o.signal.throwIfAborted()
    const volume = await makeOsDisk(o, { runtimeDir, directory, atUnlock, imageKey: captured?.diskKey })
    await o.step('Seal guest state')
    const tpm = await directory.readState()
    await GuestState.create({ path: files.guestState, vmId: spec.vmId, wrappingKey, customer, tpm, variables, variableRecord }) // prettier-ignore
    await o.disks.keep(spec, files, o.signal)
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    return {
      identity: { akSpki: base64(identity.akSpki), ekSpki: base64(identity.ekSpki) },
      sealedTo: volume === undefined ? undefined : inHex(ofImage(atUnlock)),
      volume,
      wrappedBy: keyId,
    }
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

/** The captured image's own, if their Secure Boot setting is the VM's. */
async function variablesOf(
  o: KeptRequest,
  captured: Captured | undefined,
  path: string,
): Promise<{ variables: Buffer; variableRecord?: Buffer | undefined }> {
  const { secureBoot } = o.spec.security
  if (captured !== undefined && o.image.guestState?.secureBoot === secureBoot) return captured
  await makeUefiVariables({ secureBoot, keys: await imageKeys(o.image), out: path })
  return { variables: await readFile(path) }
}

/** A captured disk's Secure Boot variables go on from those that its first VM was created with. */
async function begunWith(variableRecord: Uint8Array | undefined): Promise<{ 7?: Uint8Array }> {
  if (variableRecord === undefined) return {}
  const { base, authority } = decodeVariableRecord(variableRecord)
  return { 7: await registerOf(base, authority) }
}

/** @returns the digest that PCR 15 of its boots begins with, if the disk is encrypted */
async function makeOsDisk(
  o: KeptRequest,
  at: { runtimeDir: string; directory: TpmDirectory; atUnlock: BootRegisters; imageKey: Uint8Array | undefined },
): Promise<string | undefined> {
  const { image, spec, files, signal } = o
  const disk = { image, sizeGiB: spec.osDisk.sizeGiB, out: files.disk, signal }
  if (spec.security.encryption !== 'DiskWithVMGuestState') {
    await o.step('Copy OS disk')
    await copyOsDisk(disk)
    return undefined
  }
  await o.step('Encrypt OS disk')
  const volume = await encryptedDisk({ ...disk, ...at, updates: await updatesOf(image) })
  at.imageKey?.fill(0)
  return volume
}

const inHex = (registers: Omit<BootRegisters, 1>): Record<string, string> =>
  Object.fromEntries(Object.entries(registers).map(([index, value]) => [index, Buffer.from(value).toString('hex')]))

/** The machine is admitted at each boot. */
const ofImage = ({ 1: _machine, ...registers }: BootRegisters): Omit<BootRegisters, 1> => registers

/** Encrypts the OS disk and stores its key in the VM's TPM. @returns the digest that PCR 15 of its boots begins with */
async function encryptedDisk(
  o: Parameters<typeof copyOsDisk>[0] & {
    runtimeDir: string
    directory: TpmDirectory
    atUnlock: BootRegisters
    imageKey: Uint8Array | undefined
    updates: Awaited<ReturnType<typeof updatesOf>>
  },
): Promise<string> {
  const { imageKey, updates, ...disk } = o
  const volume = await encryptOsDisk({ ...disk, ...(imageKey !== undefined && { imageKey }) })
  try {
    const text = await volumeText(volume)
    const key = { ...volume, keyDigest: text.slice(text.lastIndexOf(':') + 1) }
    await writeDiskKey({ directory: o.directory, key, image: o.atUnlock, updates })
    return Buffer.from(await volumeDigest(text)).toString('hex')
  } finally {
    volume.volumeKey.fill(0)
  }
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
