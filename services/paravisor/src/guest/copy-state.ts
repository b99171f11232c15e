import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { GuestIdentity } from '@strongroom/contract'
import { memoryBackedDirectory, ServiceError, giveUser } from '@strongroom/platform'
import { readDiskKey } from '../tpm/disk-key.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { openState, type StateServices } from './open-state.ts'
import { wrappingKeyOf } from '../release/wrapping-key.ts'

/**
 * Creates the guest state of a copy: it opens for the copy's identity only, and holds the UEFI variables and, if the
 * disk is encrypted, its volume key. The source's vTPM is not copied: VMs created from the copy have their own vTPMs,
 * and nothing sealed to the source's opens in them.
 */
export async function rebindGuestState(o: {
  services: StateServices
  signal: AbortSignal
  source: { guest: GuestIdentity; guestState: string }
  guest: GuestIdentity
  out: string
}): Promise<void> {
  const { services, source, guest } = o
  const state = await openState(services, source.guest, source.guestState, o.signal)
  const runtimeDir = await memoryBackedDirectory(`copy-${guest.vmId.toLowerCase()}`)
  try {
    const variables = state.variables()
    const encrypted = source.guest.encryption === 'DiskWithVMGuestState'
    const diskKey = encrypted ? (state.diskKey() ?? (await keyOfTpm(state, runtimeDir, guest.vmId))) : undefined
    await rm(o.out, { force: true })
    await GuestState.create({
      path: o.out,
      vmId: guest.vmId,
      wrappingKey: await wrappingKeyOf({ ...services, spec: guest }),
      tpm: Buffer.alloc(0),
      variables,
      variableRecord: state.variableRecord(),
      ...(diskKey !== undefined && { diskKey }),
    })
    diskKey?.fill(0)
  } finally {
    await state.close()
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

/** The volume key of the VM's OS disk, from its vTPM. */
async function keyOfTpm(state: GuestState, runtimeDir: string, vmId: string): Promise<Buffer> {
  const user = await giveUser(runtimeDir, vmId)
  const directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user, state: state.tpm() })
  try {
    const key = await readDiskKey({ directory })
    if (key === undefined) throw diskKeyMissing()
    return Buffer.from(key.volumeKey)
  } finally {
    await rm(directory.path, { recursive: true, force: true })
  }
}

/** Of a VM whose OS disk is encrypted otherwise. */
export const diskKeyMissing = (): ServiceError =>
  new ServiceError({
    code: 'DiskKeyMissing',
    message:
      'The vTPM of this VM holds no key for its OS disk: the VM was created by an earlier version of Strongroom.',
    target: 'osDisk',
    expected: 'a VM whose disk key is in its vTPM',
    found: 'none',
    remedy: 'Copy the data you need out of the VM, then recreate it.',
  })

/** Initial state of a VM created from a captured disk. The caller wipes the key. */
export async function readCaptured(o: {
  services: StateServices
  signal: AbortSignal
  guest: GuestIdentity
  guestState: string
}): Promise<{ variables: Buffer; variableRecord: Buffer | undefined; diskKey: Buffer | undefined }> {
  const state = await openState(o.services, o.guest, o.guestState, o.signal)
  try {
    return { variables: state.variables(), variableRecord: state.variableRecord(), diskKey: state.diskKey() }
  } finally {
    await state.close()
  }
}

/** The identity that an uploaded guest state opens for. */
export async function ownerOfGuestState(path: string): Promise<string> {
  return await GuestState.ownerOf(path)
}
