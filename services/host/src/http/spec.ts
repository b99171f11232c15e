import {
  isOrdinary,
  type AnySpec,
  type AttachedDisk,
  type CustomerKey,
  type GuestInterface,
  type InstancePatch,
  type InstanceSpec,
} from '@strongroom/contract'
import type { Shape } from '@strongroom/contract/shape'
import { anySpec, customerKey, dataDisks, instancePatch } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { subnetFor } from '../qemu/further-interface.ts'

/** @throws ServiceError InvalidInstanceSpec */
export const readBody = <T>(shape: Shape<T>, body: unknown): T =>
  read(shape, body, { code: 'InvalidInstanceSpec', subject: 'What was sent of the VM or disk' })

const invalid = (o: {
  message: string
  target: string
  expected: string
  found?: string
  remedy?: string
}): ServiceError => new ServiceError({ code: 'InvalidInstanceSpec', ...o })

const ownProvider = /^https:\/\/[a-z0-9.-]+\.attest\.strongroom\.internal$/

/**
 * @param verifiers issuers of other origins named by the operator
 * @throws ServiceError InvalidInstanceSpec
 */
export function requireProvider(provider: string, verifiers: readonly string[], target: string): void {
  if (ownProvider.test(provider) || verifiers.includes(provider)) return
  throw invalid({
    message: 'The installation does not know the attestation provider.',
    target,
    expected: 'an attestation provider of this installation, or one named by its operator, without trailing slash',
    found: provider,
  })
}

function requireSubnets(interfaces: readonly GuestInterface[] = []): void {
  const wrong = interfaces.findIndex((each) => subnetFor(each) === undefined)
  const found = interfaces[wrong]
  if (found === undefined) return
  throw invalid({
    message: 'The subnet has no such address for VMs.',
    target: `interfaces[${wrong}]`,
    expected: 'an IPv4 address with the prefix of its subnet',
    found: `${found.privateIpAddress} in ${found.subnetPrefix}`,
  })
}

/**
 * @param verifiers issuers of other origins named by the operator
 * @throws ServiceError InvalidInstanceSpec with every invalid field
 */
export function parseSpec(body: unknown, vmId: string, verifiers: readonly string[] = []): AnySpec {
  const spec = readBody(anySpec, body)
  if (spec.vmId !== vmId.toUpperCase())
    throw invalid({
      message: 'Path and body name different VMs.',
      target: 'vmId',
      expected: vmId,
      found: spec.vmId,
    })
  requireSubnets(spec.interfaces)
  if (isOrdinary(spec)) return spec
  requireProvider(spec.attestationProvider, verifiers, 'attestationProvider')
  const encrypts = spec.security.encryption === 'DiskWithVMGuestState'
  if (spec.customerKey !== undefined && !encrypts) throw customerKeyWithoutDisk(spec)
  if (encrypts && !spec.security.secureBoot)
    throw invalid({
      message: 'Encryption of the OS disk requires Secure Boot.',
      target: 'security.secureBoot',
      expected: 'true',
      found: 'false',
      remedy: 'Turn Secure Boot on, or use VMGuestStateOnly.',
    })
  return spec
}

const customerKeyWithoutDisk = (spec: InstanceSpec): ServiceError =>
  invalid({
    message: 'A customer’s key can be used only with an encrypted OS disk.',
    target: 'security.encryption',
    expected: 'DiskWithVMGuestState',
    found: spec.security.encryption,
    remedy: 'Use DiskWithVMGuestState, or leave the disk-encryption set out.',
  })

/** @throws ServiceError InvalidInstanceSpec */
export const parseCustomerKey = (body: unknown): CustomerKey => readBody(customerKey, body)

/** @throws ServiceError InvalidInstanceSpec */
export function parsePatch(body: unknown): InstancePatch {
  const patch = readBody(instancePatch, body ?? {})
  requireSubnets(patch.interfaces)
  return patch
}

/** @throws ServiceError InvalidInstanceSpec */
export function parseDataDisks(body: unknown): AttachedDisk[] {
  const { disks } = readBody(dataDisks, body)
  const twice = (values: unknown[]): boolean => new Set(values).size < values.length
  if (!twice(disks.map(({ lun }) => lun)) && !twice(disks.map(({ disk }) => disk))) return disks
  throw invalid({
    message: 'A LUN or a disk occurs in the list more than once.',
    target: 'disks',
    expected: 'a unique LUN for each disk',
  })
}
