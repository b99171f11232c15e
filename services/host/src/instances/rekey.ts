import { access, rename, rm } from 'node:fs/promises'
import { isOrdinary, type InstanceRekey, type InstanceSpec } from '@strongroom/contract'
import { flushDirectory, ServiceError } from '@strongroom/platform'
import { rekeyGuest, retireOlderStates } from '@strongroom/paravisor'
import { readFirmware } from '@strongroom/paravisor/expected'
import { encryptDiskAnew } from '../disks/rekey-disk.ts'
import { fitToHost } from '../qemu/capacity.ts'
import type { ChangeAtRest } from './change-at-rest.ts'
import { makeRuntime } from '../records/layout.ts'

/**
 * Gives a stopped VM's encrypted OS disk a new volume key. Until the record says so, disk and guest state are unchanged and the new ones
 * are beside them; from then on the new ones count, even after a crash: `adoptRekeyed` finishes it. Whichever count, they are a pair.
 * Idempotent by the request's id.
 */
export async function rekeyInstance(o: ChangeAtRest, { id }: InstanceRekey): Promise<void> {
  const { services, record, files } = o
  await adoptRekeyed(o)
  const { silicon } = services
  const spec = rekeyable(record.spec)
  if (silicon === undefined || spec === undefined || record.identity === undefined) throw cannot(o)
  // The vault releases no key without the list, which a VM that never booted has not needed yet.
  await services.firmware?.ensure()
  const opening = {
    ...services,
    silicon,
    tenantId: services.installation.tenantId,
    now: () => services.clock.now(),
    spec,
    vCPUs: (await fitToHost(spec.size)).vCPUs,
    guestStatePath: files.guestState,
    firmware: await readFirmware(),
    step: (name: string) => o.step(name),
    signal: o.signal,
  }
  if (record.rekeyed?.id !== id) {
    const volume = await makePair(o, opening)
    // Whoever reads the disk by an address reads no mixture of two.
    await services.grants?.revoke(spec.vmId)
    record.volume = volume
    record.rekeyed = { id, placed: false }
    await adoptRekeyed(o)
  }
  // Not finished before copies of the old guest state, whose key may be why this was asked for, are refused.
  await retireOlderStates(opening)
}

async function makePair(
  o: ChangeAtRest,
  opening: Omit<Parameters<typeof rekeyGuest>[0], 'out' | 'runtimeDir' | 'user' | 'encryptAnew'>,
): Promise<string> {
  const { files, signal } = o
  const runtime = await makeRuntime(opening.spec.vmId)
  const { runtimeDir } = runtime
  try {
    const { volume } = await rekeyGuest({
      ...opening,
      ...runtime,
      out: files.rekeyedState,
      encryptAnew: async (keys) => {
        o.step('Encrypt the OS disk under a new key')
        return await encryptDiskAnew({ disk: files.disk, out: files.rekeyedDisk, keys, runtimeDir, signal })
      },
    })
    // Before the record names them.
    await flushDirectory(files.directory)
    return volume
  } catch (error) {
    await removePair(o)
    throw error
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

/** Finishes an interrupted replacement: the new pair is moved into place if it counts, and removed otherwise. */
export async function adoptRekeyed(o: Pick<ChangeAtRest, 'record' | 'files' | 'save'>): Promise<void> {
  const { record, files } = o
  if (record.rekeyed?.placed !== false) return await removePair(o)
  // Nothing moves before the record that names the pair is stored, where that failed before.
  await o.save()
  await moveIfThere(files.rekeyedDisk, files.disk)
  await moveIfThere(files.rekeyedState, files.guestState)
  await flushDirectory(files.directory)
  record.rekeyed.placed = true
  await o.save()
}

async function removePair({ files }: Pick<ChangeAtRest, 'files'>): Promise<void> {
  for (const path of [files.rekeyedDisk, files.rekeyedState]) await rm(path, { force: true })
}

async function moveIfThere(from: string, to: string): Promise<void> {
  const there = await access(from).then(
    () => true,
    () => false,
  )
  if (there) await rename(from, to)
}

function rekeyable(spec: ChangeAtRest['record']['spec']): InstanceSpec | undefined {
  return isOrdinary(spec) || spec.security.encryption !== 'DiskWithVMGuestState' ? undefined : spec
}

const cannot = ({ record, services }: ChangeAtRest): ServiceError =>
  new ServiceError({
    code: 'InstanceNotRekeyable',
    message: 'The OS disk of this VM has no volume key that is replaced here.',
    target: 'osDisk',
    expected: 'a confidential VM on simulated silicon whose OS disk is encrypted (DiskWithVMGuestState)',
    found:
      services.silicon === undefined
        ? 'hardware mode'
        : isOrdinary(record.spec)
          ? 'a VM that is not confidential'
          : record.spec.security.encryption,
    remedy: 'Create a new VM with an encrypted OS disk, and copy the data.',
  })
