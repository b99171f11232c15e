import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  isOrdinary,
  vaultAudience,
  type AnySpec,
  type ImageRecord,
  type InstanceSpec,
  type KeyBundle,
} from '@strongroom/contract'
import { ServiceError, type Sealer, type TokenSource, type WireClient } from '@strongroom/platform'
import { volumeDigest } from '@strongroom/evidence/expected'
import { openSeal } from '../disks/open-seal.ts'
import { createOsDisk } from '../disks/os-disk.ts'
import { makeUefiVariables } from '../disks/uefi-variables.ts'
import { dbCertificates, expectedPcrs } from '../image/boot-files.ts'
import { findImage } from '../image/catalog.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { readCustomerKey } from '../paravisor/customer-key.ts'
import { permanentState } from '../tpm/swtpm.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { makeRuntime, sweepRuntime, type VmFiles } from './layout.ts'
import { provisionOrdinary } from './ordinary-guest.ts'
import type { InstanceRecord } from './record.ts'

export interface Provisioned {
  /** Absent where no report binds the vTPM: VMs that are not confidential. */
  identity?: NonNullable<InstanceRecord['identity']>
  sealedTo: InstanceRecord['sealedTo']
  volume: InstanceRecord['volume']
  wrappedBy: InstanceRecord['wrappedBy']
}

/**
 * Makes a VM's vTPM, UEFI variables, OS disk and guest state. Whatever an interrupted run left is thrown away first: the
 * parts belong together. Nothing secret touches a disk in clear.
 * @throws ServiceError ImageNotFound, ImageNotQualified, OsDiskTooSmall, …
 */
export async function provision(o: {
  spec: AnySpec
  files: VmFiles
  sealer: Sealer
  cacheDir: string
  wire: WireClient
  tokens: TokenSource
  tenantId: string
  step(name: string): Promise<void>
  signal: AbortSignal
}): Promise<Provisioned> {
  const { spec, files } = o
  await sweepRuntime(spec.vmId)
  await rm(files.directory, { recursive: true, force: true })
  await mkdir(files.directory, { recursive: true, mode: 0o700 })
  await o.step('Find image')
  const image = await requireImage(o.cacheDir, spec)
  if (isOrdinary(spec)) {
    await provisionOrdinary({ ...o, spec, image })
    return { sealedTo: undefined, volume: undefined, wrappedBy: undefined }
  }
  const wrappingKey = await wrappingKeyOf({ ...o, spec })
  const { customerKey } = spec
  const keyId = customerKey?.keyIds[0]
  const customer =
    customerKey === undefined || keyId === undefined ? undefined : await readCustomerKey({ ...o, customerKey, keyId })
  const runtimeDir = await makeRuntime(spec.vmId)
  try {
    await o.step('Make vTPM')
    const tpmDir = join(runtimeDir, 'tpm')
    await mkdir(tpmDir, { mode: 0o700 })
    const identity = await manufactureTpm({ stateDir: tpmDir, runtimeDir })
    await o.step('Make UEFI variables')
    const variablesPath = join(runtimeDir, 'variables.fd')
    await makeUefiVariables({
      secureBoot: spec.security.secureBoot,
      dbCertificates: await dbCertificates(image),
      out: variablesPath,
    })
    const variables = await readFile(variablesPath)
    const { atUnlock, extensionsAtUnlock } = await expectedPcrs({ image, variables })
    o.signal.throwIfAborted()
    const { encryption } = spec.security
    await o.step(encryption === 'DiskWithVMGuestState' ? 'Encrypt OS disk' : 'Copy OS disk')
    await createOsDisk({
      image,
      encryption,
      sizeGiB: spec.osDisk.sizeGiB,
      tpm: { srkPublic: identity.srkPublic },
      pcrs: atUnlock,
      out: files.disk,
      signal: o.signal,
    })
    let volume: InstanceRecord['volume']
    if (encryption === 'DiskWithVMGuestState') {
      await o.step('Open the seal once')
      const tpmState = join(tpmDir, permanentState)
      const opened = await openSeal({
        disk: files.disk,
        directory: runtimeDir,
        tpmState,
        extensions: extensionsAtUnlock,
      })
      volume = Buffer.from(await volumeDigest({ ...opened, name: 'root' })).toString('hex')
      opened.volumeKey.fill(0)
      opened.sealed.fill(0)
    }
    await o.step('Seal guest state')
    // A vTPM that is not persisted is made anew at each boot.
    const tpm = encryption === 'NonPersistedTPM' ? Buffer.alloc(0) : await readFile(join(tpmDir, permanentState))
    await GuestState.create({ path: files.guestState, vmId: spec.vmId, wrappingKey, customer, tpm, variables })
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
    return {
      identity: { akSpki: base64(identity.akSpki), ekSpki: base64(identity.ekSpki) },
      sealedTo:
        encryption === 'DiskWithVMGuestState'
          ? Object.fromEntries(
              Object.entries(atUnlock).map(([index, value]) => [index, Buffer.from(value).toString('hex')]),
            )
          : undefined,
      volume,
      wrappedBy: keyId,
    }
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

export async function requireImage(cacheDir: string, spec: AnySpec): Promise<ImageRecord> {
  const image = await findImage(cacheDir, spec.image)
  if (image === undefined) {
    throw new ServiceError({
      code: 'ImageNotFound',
      status: 404,
      message: `This machine has no image ${spec.image}.`,
      target: 'image',
      expected: 'an image of `strongroom image list`',
      found: spec.image,
      remedy: 'Build or import it: strongroom image build',
    })
  }
  if (isOrdinary(spec)) return image
  const encrypts = spec.security.encryption === 'DiskWithVMGuestState'
  if (image.qualifies.confidential && (!encrypts || image.qualifies.diskEncryption)) return image
  throw new ServiceError({
    code: 'ImageNotQualified',
    status: 400,
    message: `Image ${image.name} cannot carry this confidential VM: ${image.qualifies.reasons.join(' ')}`,
    target: 'image',
    expected: encrypts ? 'an image whose root can be encrypted' : 'an image for confidential VMs',
    found: image.qualifies.reasons.join(' '),
    remedy: 'Use the reference image, or an image that meets these rules.',
  })
}

/** Public half of the VM's key. Its private half is released to attested boots only. */
export async function wrappingKeyOf(o: {
  wire: WireClient
  tokens: TokenSource
  spec: Pick<InstanceSpec, 'guestStateKey'>
}): Promise<KeyObject> {
  const token = await o.tokens.token('orchestrator', vaultAudience)
  const url = `${o.spec.guestStateKey}?api-version=7.4`
  const { body } = await o.wire.request<KeyBundle>({ method: 'GET', url, token })
  const { n = '', e = '' } = body.key
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
}
