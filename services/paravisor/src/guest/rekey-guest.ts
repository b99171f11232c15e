import { createPublicKey, randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { equal } from '@strongroom/evidence'
import { volumeDigest, volumeText } from '@strongroom/evidence/expected'
import { reportGeneration } from '../release/release.ts'
import { readDiskKey, replaceDiskKey } from '../tpm/disk-key.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { diskKeyMissing } from './copy-state.ts'
import { unseal, type UnsealRequest } from './unseal.ts'

/** No vTPM runs: the claims name none. */
type StateRequest = Omit<UnsealRequest, 'identity'>

export interface RekeyRequest extends StateRequest {
  /** Where the new guest state is created. The existing one is not changed. */
  out: string
  /** Memory-backed, for this VM only. */
  runtimeDir: string
  /** The user of its vTPM. */
  user: number | undefined
  /** Encrypts a copy of the OS disk under another key; both are wiped afterwards. @returns the new volume's UUID */
  encryptAnew(keys: { from: Uint8Array; to: Uint8Array }): Promise<string>
}

const nothing = new Uint8Array()

/**
 * Creates the guest state of a VM whose OS disk gets a new volume key, beside the existing one: opened as for a boot, the new key in its
 * vTPM in place of the old, sealed under a fresh data key as the next generation, and opened again before anybody relies on it. Older
 * copies of the disk open with the old key for whoever knows it; those of the guest state do not, after `retireOlderStates`.
 * @returns digest that PCR 15 of the VM's boots begins with from then on, hexadecimal
 * @throws ServiceError AttestationRefused, KeyReleaseRefused, GuestState…, DiskKeyMissing
 */
export async function rekeyGuest(o: RekeyRequest): Promise<{ volume: string }> {
  const { state, release, customer } = await unseal(o)
  try {
    const directory = await TpmDirectory.make({
      path: join(o.runtimeDir, 'tpm'),
      user: o.user,
      state: state.tpm(),
    })
    try {
      const volume = await newVolume(o, directory)
      o.signal.throwIfAborted()
      o.step('Seal guest state')
      const made = {
        tpm: await directory.readState(),
        variables: state.variables(),
        variableRecord: state.variableRecord(),
        generation: state.generation + 1,
        restored: state.restored,
      }
      const wrappingKey = createPublicKey(release.key)
      await GuestState.create({ path: o.out, vmId: o.spec.vmId, wrappingKey, customer, ...made })
      await requireWhole(o, made)
      return { volume }
    } finally {
      await rm(directory.path, { recursive: true, force: true })
    }
  } finally {
    await state.close()
  }
}

/** Encrypts the disk under a new key, and puts that into the vTPM. @returns the digest of the new volume's text */
async function newVolume(o: RekeyRequest, directory: TpmDirectory): Promise<string> {
  const before = await readDiskKey({ directory })
  if (before === undefined) throw diskKeyMissing()
  const volumeKey = randomBytes(64)
  try {
    const luksUuid = await o.encryptAnew({ from: before.volumeKey, to: volumeKey })
    o.signal.throwIfAborted()
    o.step('Put the new volume key into the vTPM')
    const text = await volumeText({ luksUuid, volumeKey })
    const keyDigest = text.slice(text.lastIndexOf(':') + 1)
    await replaceDiskKey({ directory, key: { luksUuid, volumeKey, keyDigest } })
    return Buffer.from(await volumeDigest(text)).toString('hex')
  } finally {
    before.volumeKey.fill(0)
    volumeKey.fill(0)
  }
}

interface Made {
  tpm: Uint8Array
  variables: Uint8Array
  variableRecord: Uint8Array | undefined
  generation: number
}

async function requireWhole(o: RekeyRequest, made: Made): Promise<void> {
  const { state } = await unseal({ ...o, guestStatePath: o.out })
  try {
    const whole =
      equal(state.tpm(), made.tpm) &&
      equal(state.variables(), made.variables) &&
      equal(state.variableRecord() ?? nothing, made.variableRecord ?? nothing) &&
      state.generation === made.generation
    if (!whole) throw new TypeError('the guest state read back differs from the one written')
  } finally {
    await state.close()
  }
}

/** Copies older than the guest state that counts are refused from now on, with their keys. Idempotent. */
export async function retireOlderStates(o: StateRequest): Promise<void> {
  const { state, access } = await unseal(o)
  try {
    await reportGeneration({ ...access, generation: state.generation })
  } finally {
    await state.close()
  }
}
