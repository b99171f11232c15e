import { rm } from 'node:fs/promises'
import { describeFailure } from '../records/errors.ts'
import type { VmFiles } from '../records/layout.ts'
import { provision } from './provision.ts'
import { beginStep, endStep } from '../records/record.ts'
import type { RecordedWork } from './recorded-work.ts'
import type { HostServices } from './services.ts'

/** Provisions a VM as its record specifies, and records each step and the outcome. */
export async function provisionRecorded(o: {
  services: HostServices
  work: RecordedWork
  files: VmFiles
  signal: AbortSignal
  /** The server is ending: the next start provisions again. */
  closing: () => boolean
}): Promise<void> {
  const { work, services } = o
  const { record } = work
  const { provisioning } = record
  if (work.isDeleted || provisioning.state !== 'Running' || o.closing()) return
  provisioning.steps = []
  try {
    const made = await provision({
      ...services,
      tenantId: services.installation.tenantId,
      spec: record.spec,
      files: o.files,
      signal: o.signal,
      step: async (name) => {
        beginStep(provisioning.steps, name, work.now())
        await work.save()
      },
    })
    endStep(provisioning.steps, work.now())
    if (made.identity) record.identity = made.identity
    if (made.sealedTo) record.sealedTo = made.sealedTo
    if (made.volume !== undefined) record.volume = made.volume
    if (made.wrappedBy !== undefined) record.wrappedBy = made.wrappedBy
    record.provisioning = { state: 'Succeeded', steps: provisioning.steps }
  } catch (error) {
    if (o.closing() || work.isDeleted) return
    endStep(provisioning.steps, work.now())
    record.provisioning = { state: 'Failed', steps: provisioning.steps, error: describeFailure(error, work.logger) }
    await rm(o.files.directory, { recursive: true, force: true })
  }
  await work.save()
}
