import type { ErrorDetail, AnySpec } from '@strongroom/contract'
import { ProgramError, ServiceError, toErrorDetail, type Logger } from '@strongroom/platform'
import type { InstanceRecord } from './record.ts'

/** Any failure of a VM's work, for its instance view; unexpected ones are logged in full. */
export function describeFailure(error: unknown, logger: Logger): ErrorDetail {
  if (error instanceof ServiceError) return error.toDetail()
  logger.error({ err: error }, 'work on a VM failed')
  if (error instanceof ProgramError) {
    return {
      code: 'ProgramFailed',
      message: error.message,
      innererror: { remedy: 'Check the server’s log, then repeat the operation.' },
    }
  }
  return toErrorDetail(error)
}

export function notFound(vmId: string): ServiceError {
  return new ServiceError({
    code: 'InstanceNotFound',
    message: 'This host has no such VM.',
    target: 'vmId',
    expected: 'the id of a VM on this host',
    found: vmId,
  })
}

/** The registers that show why a disk stayed locked. */
/** @param o.sealedTo for each boot that can open the disk: differences from the nearest one are reported */
export function diskDidNotUnlock(o: {
  sealedTo: Record<string, string>[]
  found: Record<string, string> | undefined
  console: string[]
}): ServiceError {
  const differingFrom = (registers: Record<string, string>): [string, string][] =>
    Object.entries(registers).filter(([index, value]) => o.found !== undefined && o.found[index] !== value)
  const [nearest = {}] = o.sealedTo.toSorted((a, b) => differingFrom(a).length - differingFrom(b).length)
  if (o.sealedTo.length === 0) return opensForNone()
  const differing = differingFrom(nearest)
  const names = differing.map(([index]) => `PCR ${index}`).join(' and ')
  const list = (registers: Record<string, string> | undefined): string =>
    differing.map(([index]) => `PCR ${index} = ${registers?.[index] ?? 'unknown'}`).join(', ')
  return new ServiceError({
    code: 'OsDiskDidNotUnlock',
    message:
      names === ''
        ? 'OS disk did not unlock: the guest powered off before it was ready, although its registers match what the disk is sealed to.'
        : `OS disk did not unlock: ${names} ${differing.length === 1 ? 'differs' : 'differ'} from what the disk is sealed to.`,
    target: names === '' ? 'osDisk' : names,
    expected: names === '' ? 'a guest that unlocks its disk with its vTPM' : list(nearest),
    found: names === '' ? o.console.slice(-3).join(' | ') : list(o.found),
    remedy:
      names === ''
        ? 'Check the serial log: the disk may belong to another VM.'
        : 'Undo what changed: Secure Boot, its keys (PCR 7), or the boot image on the disk (PCRs 4 and 11).',
  })
}

const opensForNone = (): ServiceError =>
  new ServiceError({
    code: 'OsDiskDidNotUnlock',
    message:
      'OS disk did not unlock: it opens for no boot file. The image’s own was superseded, and the vTPM names no other.',
    target: 'osDisk',
    expected: 'a boot file that the guest installed, named in the vTPM',
    found: 'none',
    remedy: 'Restore the VM from a backup: a system that did not open the disk removed what the vTPM named.',
  })

/** Notice for a VM whose guest requested another boot file once, which did not come up, so that its default is started. */
export const otherDidNotComeUp = (error: ServiceError): string =>
  `The new boot file did not come up (${error.code}: ${error.message}) The default was started.`

/** Notice for a VM whose boot hung and was restarted. */
export const startedAgain = (error: ServiceError): string =>
  `${error.message} It was started again. (${error.found ?? ''})`

export function bootLoaderRefused(line: string): ServiceError {
  return new ServiceError({
    code: 'BootLoaderRefused',
    message: 'OS disk did not unlock: the firmware did not start the boot image on the disk.',
    target: 'osDisk',
    expected: 'a boot image whose signature the UEFI variables allow',
    found: line,
    remedy: 'The boot image was changed or its signer is not in db: restore the disk, or recreate the VM.',
  })
}

export function settingsRefused(line: string): ServiceError {
  return new ServiceError({
    code: 'SettingsRefused',
    message:
      'The guest applied none of the settings (account, SSH keys, data): they are not those that its vTPM was made for.',
    target: 'osProfile',
    expected: 'the VM’s own OS disk, and the settings that it was made with',
    found: line,
    remedy:
      'Put the VM’s newest OS disk back. If this host was not to change anything, somebody else did: find out who.',
  })
}

/** A refusal of a guest that came as far as its encrypted disk: its key may have been read, and its owner is told what to do about that. */
export function afterDiskKey(error: ServiceError, vm: string): ServiceError {
  const { innererror, ...detail } = error.toDetail()
  const remedy =
    `${error.remedy ?? 'Find out why.'} The guest may have read the key of its disk by then: deallocate the VM and give the disk a new ` +
    `one, strongroom vm rekey ${vm}. Copies of the disk made before stay readable to whoever read it.`
  return ServiceError.relayed({ ...detail, innererror: { ...innererror, remedy } }, error.status, { cause: error })
}

export function guestPoweredOff(console: string[], how: 'powered off' | 'rebooted'): ServiceError {
  return new ServiceError({
    code: 'GuestDidNotBoot',
    message: `The guest ${how} before it reported that it was ready.`,
    expected: 'a guest that reports',
    found: console.slice(-3).join(' | ') || 'an empty console',
    remedy: 'Check the VM’s serial log.',
  })
}

export function bootTimedOut(o: { seconds: number; acceleration: string; console: string[] }): ServiceError {
  return new ServiceError({
    code: 'GuestBootTimeout',
    message: `The guest did not report that it was ready within ${o.seconds} s.`,
    expected: `a report within ${o.seconds} s under ${o.acceleration === 'kvm' ? 'KVM' : 'emulation'}`,
    found: lastOn(o.console),
    remedy:
      'Check the VM’s serial log. A busy host may need to start fewer VMs at once, or allow more time: STRONGROOM_BOOT_LIMIT_SECONDS.',
  })
}

export function bootStoodStill(o: { seconds: number; console: string[] }): ServiceError {
  return new ServiceError({
    code: 'GuestBootTimeout',
    message: `The guest stood still: its console showed no progress for ${o.seconds} s.`,
    expected: 'a guest that boots',
    found: lastOn(o.console),
    remedy: 'Check the VM’s serial log, then start the VM again.',
  })
}

const lastOn = (console: string[]): string => `last on the console: ${console.slice(-3).join(' | ') || 'nothing'}`

export const notStopped = (found: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotStopped',
    message: 'A VM can be changed or copied only while it is stopped.',
    expected: 'Stopped',
    found,
    remedy: 'Deallocate the VM first.',
  })

export const beingDeleted = (): ServiceError =>
  new ServiceError({
    code: 'InstanceDeleting',
    message: 'The VM is being deleted.',
    target: 'vmId',
  })

export const withoutCustomerKey = (spec: AnySpec): ServiceError =>
  new ServiceError({
    code: 'InstanceWithoutCustomerKey',
    message: 'The guest state of this VM is wrapped only by the platform’s key, which is fixed at creation.',
    target: 'customerKey',
    expected: 'a VM created with a disk-encryption set',
    found: spec.vmId,
    remedy: 'Create a VM with a disk-encryption set.',
  })

export function notProvisioned(record: InstanceRecord): ServiceError {
  const { error } = record.provisioning
  return new ServiceError({
    code: 'InstanceNotProvisioned',
    message: `The VM was not provisioned${error === undefined ? '.' : `: ${error.message}`}`,
    ...(error && { details: [error] }),
    expected: 'a provisioned VM',
    found: record.provisioning.state,
    remedy: error?.innererror?.remedy ?? 'Create the VM again.',
  })
}

export const notReady = (found: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotReady',
    message: 'The guest is not running.',
    expected: 'Ready',
    found,
    remedy: 'Start the VM and wait until it is ready.',
  })

/** FAQ S9: there is no code that makes one, and QEMU excludes the guest's memory from its core files. */
export const noMemoryDump = (): ServiceError =>
  new ServiceError({
    code: 'MemoryDumpRefused',
    message: 'Memory dumps of virtual machines are not made.',
    target: 'S9',
    expected: 'memory that stays in the guest',
    found: 'a request for a memory dump',
    remedy: 'Collect a dump inside the guest (kdump), and encrypt it there.',
  })
