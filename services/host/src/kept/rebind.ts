import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GuestIdentity } from '@strongroom/contract'
import { memoryBackedDirectory } from '@strongroom/platform'
import { exchangeKey } from '../disks/luks-keys.ts'
import { openSeal } from '../disks/open-seal.ts'
import { expectedPcrs } from '../image/boot-files.ts'
import { openState, type StateServices } from '../paravisor/open-state.ts'
import { permanentState } from '../tpm/swtpm.ts'
import { wrappingKeyOf } from '../paravisor/wrapping-key.ts'
import { GuestState } from '../vmgs/guest-state.ts'

/**
 * Makes the guest state of a copy: it opens for the copy's identity alone, holds the UEFI variables, and, where the disk is
 * encrypted, a fresh passphrase for it. The source's vTPM stays behind: no seed of it is in the copy, so that VMs made of
 * the copy have vTPMs of their own and nothing that was sealed to the source's opens in them.
 * @param o.disk the copied disk, with its boot file beside it; its LUKS2 header is changed where the source's vTPM opened it
 */
export async function rebindGuestState(o: {
  services: StateServices
  signal: AbortSignal
  source: { guest: GuestIdentity; guestState: string }
  guest: GuestIdentity
  disk: string
  out: string
}): Promise<void> {
  const { services, source, guest } = o
  const state = await openState(services, source.guest, source.guestState, o.signal)
  const runtimeDir = await memoryBackedDirectory(`copy-${guest.vmId.toLowerCase()}`)
  try {
    const variables = await state.variables()
    const diskKey =
      source.guest.encryption === 'DiskWithVMGuestState'
        ? await newDiskKey({ state, variables, disk: o.disk, runtimeDir })
        : undefined
    await rm(o.out, { force: true })
    await GuestState.create({
      path: o.out,
      vmId: guest.vmId,
      wrappingKey: await wrappingKeyOf({ ...services, spec: guest }),
      tpm: Buffer.alloc(0),
      variables,
      ...(diskKey !== undefined && { diskKey }),
    })
    diskKey?.fill(0)
  } finally {
    await state.close()
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

async function newDiskKey(o: {
  state: GuestState
  variables: Uint8Array
  disk: string
  runtimeDir: string
}): Promise<Buffer> {
  const [oldKeyFile, newKeyFile] = [join(o.runtimeDir, 'old.key'), join(o.runtimeDir, 'new.key')]
  const old = (await o.state.diskKey()) ?? (await keyOfTpm(o))
  const diskKey = Buffer.from(randomBytes(32).toString('base64'), 'latin1')
  await writeFile(oldKeyFile, old, { mode: 0o600 })
  await writeFile(newKeyFile, diskKey, { mode: 0o600 })
  old.fill(0)
  await exchangeKey({ disk: o.disk, oldKeyFile, newKeyFile })
  return diskKey
}

/** The passphrase that systemd in the guest would get from its vTPM, in the text form that it uses. */
async function keyOfTpm(o: {
  state: GuestState
  variables: Uint8Array
  disk: string
  runtimeDir: string
}): Promise<Buffer> {
  const tpmState = join(o.runtimeDir, permanentState)
  await writeFile(tpmState, await o.state.tpm(), { mode: 0o600 })
  try {
    const { extensionsAtUnlock: extensions } = await expectedPcrs({ image: { path: o.disk }, variables: o.variables })
    const { sealed, volumeKey } = await openSeal({ disk: o.disk, directory: o.runtimeDir, tpmState, extensions })
    volumeKey.fill(0)
    return Buffer.from(Buffer.from(sealed).toString('base64'), 'latin1')
  } finally {
    await rm(tpmState, { force: true })
  }
}

/** What a VM begins with that is made of a captured disk. The passphrase is wiped by the caller. */
export async function readCaptured(o: {
  services: StateServices
  signal: AbortSignal
  guest: GuestIdentity
  guestState: string
}): Promise<{ variables: Buffer; diskKey: Buffer | undefined }> {
  const state = await openState(o.services, o.guest, o.guestState, o.signal)
  try {
    return { variables: await state.variables(), diskKey: await state.diskKey() }
  } finally {
    await state.close()
  }
}

/** For whom an uploaded guest state says that it opens. */
export async function ownerOfGuestState(path: string): Promise<string> {
  return await GuestState.ownerOf(path)
}

export const readCertificates = async (path: string): Promise<string> => await readFile(path, 'utf8').catch(() => '')
