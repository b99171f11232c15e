import { access, rename, rm } from 'node:fs/promises'
import { isOrdinary, type InstanceConversion, type InstanceSpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { convertGuest, wrappingKeyOf } from '@strongroom/paravisor'
import { fitToHost } from '../qemu/capacity.ts'
import { readFirmware } from '@strongroom/paravisor/expected'
import type { ChangeAtRest } from './change-at-rest.ts'
import { imageOfVm } from './provision.ts'
import type { InstanceRecord } from '../records/record.ts'

/**
 * Converts a stopped VM to the other technology. Until the record names the new technology and key, everything is
 * unchanged and the new files are kept aside; from then on the new guest state counts, even after a crash:
 * `adoptConverted` finishes it.
 */
export async function convertInstance(o: ChangeAtRest, conversion: InstanceConversion): Promise<void> {
  const { services, record, files } = o
  await adoptConverted(o)
  const { silicon } = services
  const { spec, identity } = record
  if (isOrdinary(spec)) throw cannot(record)
  if (spec.tee === conversion.tee && spec.guestStateKey === conversion.guestStateKey) return
  if (silicon === undefined || identity === undefined) throw cannot(record)
  // The vault releases no key without the list, which a VM that never booted has not needed yet.
  await services.firmware?.ensure()
  const next = { ...spec, ...conversion }
  const side = async (
    each: InstanceSpec,
    guestStatePath: string,
  ): Promise<Parameters<typeof convertGuest>[0]['to']> => ({
    spec: each,
    vCPUs: (await fitToHost(each.size)).vCPUs,
    guestStatePath,
  })
  try {
    const { retireOld } = await convertGuest({
      ...services,
      silicon,
      tenantId: services.installation.tenantId,
      now: () => services.clock.now(),
      from: await side(spec, files.guestState),
      to: await side(next, files.convertedState),
      wrappingKey: await wrappingKeyOf({ ...services, spec: next }),
      firmware: await readFirmware(),
      image: await imageOfVm(services, spec, files),
      sealedTo: record.sealedTo,
      step: (name) => o.step(name),
      signal: o.signal,
    })
    record.spec = next
    record.converted = true
    await o.save()
    await adoptConverted(o)
    await retireOld().catch((error: unknown) => {
      services.logger.warn({ err: error, vmId: spec.vmId }, 'copies of the old guest state were not invalidated')
    })
  } catch (error) {
    if (record.converted !== true) await rm(files.convertedState, { force: true })
    throw error
  }
}

/** Finishes an interrupted conversion: its guest state is moved into place if it counts, and removed otherwise. */
export async function adoptConverted(o: Pick<ChangeAtRest, 'record' | 'files' | 'save'>): Promise<void> {
  const { record, files } = o
  if (record.converted !== true) return await rm(files.convertedState, { force: true })
  const made = await access(files.convertedState).then(
    () => true,
    () => false,
  )
  if (made) await rename(files.convertedState, files.guestState)
  delete record.converted
  await o.save()
}

function cannot(record: InstanceRecord): ServiceError {
  return new ServiceError({
    code: 'InstanceNotConvertible',
    message: 'This VM cannot be converted to another processor technology here.',
    target: 'tee',
    expected: 'a provisioned confidential VM on simulated silicon',
    found: record.identity === undefined ? 'a VM without a persistent vTPM' : 'hardware mode',
    remedy: 'Create a new virtual machine of that size.',
  })
}
