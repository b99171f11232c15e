import type {
  AnySpec,
  AttachedDisk,
  CommandRequest,
  CustomerKey,
  InstanceConversion,
  InstancePatch,
  InstanceSpec,
  StopRequest,
} from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { isVmId } from '../instances/layout.ts'
import { subnetFor } from '../qemu/further-interface.ts'

type Check = (value: unknown) => boolean
export type Shape = Record<string, { check: Check; expected: string }>

export const text = (pattern: RegExp, expected: string): Shape[string] => ({
  check: (value) => typeof value === 'string' && pattern.test(value),
  expected,
})
export const oneOf = (...values: string[]): Shape[string] => ({
  check: (value) => typeof value === 'string' && values.includes(value),
  expected: values.join(' or '),
})
export const count = (least: number, most: number): Shape[string] => ({
  check: (value) => typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most,
  expected: `a whole number from ${least} to ${most}`,
})
export const flag: Shape[string] = { check: (value) => typeof value === 'boolean', expected: 'true or false' }
const textMap: Shape[string] = {
  check: (value) =>
    typeof value === 'object' && value !== null && Object.values(value).every((each) => typeof each === 'string'),
  expected: 'an object of texts',
}

// Printable and without line breaks: names go into QEMU's arguments and the guest's settings.
export const line: Shape[string] = text(/^[\x20-\x7e]{1,500}$/, 'printable text')

const keyId = /^https:\/\/[a-z0-9-]+\.(vault|managedhsm)\.strongroom\.internal\/keys\/[A-Za-z0-9-]+\/[0-9a-f]{32}$/
const resourceId = text(/^\/subscriptions\/[\x21-\x7e]{1,500}$/, 'an ARM id')

/** Beside each other: the key from now on, and those that guest states may still be under. */
const customerShape: Shape = {
  diskEncryptionSet: resourceId,
  identity: resourceId,
  keyIds: {
    check: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= 16 &&
      value.every((each) => typeof each === 'string' && keyId.test(each)),
    expected: 'identifiers of 1 to 16 keys, each with its version',
  },
}

const sizeShape: Shape = {
  'size.name': line,
  'size.vCPUs': count(1, 256),
  'size.memoryMiB': count(512, 4_194_304),
  'size.temporaryGiB': {
    check: (value) => value === undefined || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 32_767),
    expected: 'a whole number from 1 to 32767, or nothing',
  },
}

export const keyIdentifier: Shape[string] = text(keyId, 'a key identifier with version')
/** @param verifiers issuers that the operator named */
export const providerOf = (verifiers: readonly string[]): Shape[string] => ({
  check: (value) => typeof value === 'string' && (ownProvider.test(value) || verifiers.includes(value)),
  expected: 'an attestation provider of this installation, or one that its operator named, without trailing slash',
})

const conversionShape: Shape = { tee: oneOf('SNP', 'TDX'), ...sizeShape, guestStateKey: keyIdentifier }

const base64 = (value: unknown): boolean =>
  value === undefined || (typeof value === 'string' && value.length <= 90_000 && /^[A-Za-z0-9+/]*={0,2}$/.test(value))
const data: Shape[string] = { check: base64, expected: 'base64 of at most 64 KiB' }

const macAddress = text(/^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/, 'a MAC address')
const networkShape: Shape = {
  'network.macAddress': macAddress,
  'network.privateIpAddress': text(/^[0-9a-fA-F.:]{2,45}$/, 'an address'),
}

/** The largest sizes have eight. */
const furtherInterfaces: Shape[string] = {
  check: (value) =>
    value === undefined ||
    (Array.isArray(value) && value.length < 8 && value.every((each) => isFurtherInterface(each))),
  expected: 'at most 7 interfaces, each with MAC address, IPv4 address and the prefix of the subnet that it is in',
}

function isFurtherInterface(value: unknown): boolean {
  const { macAddress: mac, privateIpAddress, subnetPrefix, ...rest } = (value ?? {}) as Record<string, unknown>
  if (Object.keys(rest).length > 0) return false
  if (typeof privateIpAddress !== 'string' || typeof subnetPrefix !== 'string') return false
  return macAddress.check(mac) && subnetFor({ privateIpAddress, subnetPrefix }) !== undefined
}

const shownFact: Shape[string] = {
  check: (value) => value === undefined || (typeof value === 'string' && value.length <= 500),
  expected: 'a text of at most 500 characters',
}
/** They go to the guest as they are. */
const shownShape: Shape = Object.fromEntries(
  [
    ...['id', 'publisher', 'offer', 'sku', 'version'].map((name) => `imageReference.${name}`),
    'zone',
    ...['name', 'caching', 'storageAccountType'].map((name) => `osDisk.${name}`),
    'subnetPrefix',
  ].map((path) => [`shown.${path}`, shownFact]),
)

/** What every VM has. */
const commonShape: Shape = {
  vmId: { check: (value) => typeof value === 'string' && isVmId(value), expected: 'an upper-case GUID' },
  resourceId: line,
  name: text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/, 'a name of letters, digits, dots, dashes'),
  region: line,
  ...sizeShape,
  'security.secureBoot': flag,
  image: line,
  'osDisk.id': line,
  'osDisk.sizeGiB': count(1, 4095),
  'osProfile.computerName': text(/^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$/, 'a host name'),
  'osProfile.adminUsername': text(/^[a-z_][a-z0-9_-]{0,31}$/, 'a Linux user name'),
  'osProfile.sshPublicKeys': {
    check: (value) =>
      Array.isArray(value) &&
      value.every((key) => typeof key === 'string' && /^[\x20-\x7e]{1,16000}$/.test(key.trim())),
    expected: 'a list of public keys, one line each',
  },
  ...networkShape,
  interfaces: furtherInterfaces,
  'osProfile.customData': data,
  'osProfile.passwordSha256': {
    check: (value) => value === undefined || (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)),
    expected: 'SHA-256 of the hash, hexadecimal',
  },
  'osProfile.passwordHash': {
    check: (value) => value === undefined || (typeof value === 'string' && /^\$y\$[./A-Za-z0-9$]{20,200}$/.test(value)),
    expected: 'a yescrypt hash',
  },
  userData: data,
  tags: textMap,
  ...shownShape,
}

const ordinaryShape: Shape = { ...commonShape, ordinary: oneOf('Standard', 'TrustedLaunch'), 'security.vTpm': flag }

const confidentialShape = (verifiers: readonly string[]): Shape => ({
  ...commonShape,
  tee: oneOf('SNP', 'TDX'),
  'security.encryption': oneOf('VMGuestStateOnly', 'DiskWithVMGuestState', 'NonPersistedTPM'),
  'security.vTpm': { check: (value) => value === true, expected: 'true: a confidential VM has a vTPM' },
  guestStateKey: keyIdentifier,
  attestationProvider: providerOf(verifiers),
  customerKey: {
    check: (value) => value === undefined || faultsOf(value, customerShape).length === 0,
    expected: 'a disk-encryption set, its identity and its keys, or nothing',
  },
})

const ownProvider = /^https:\/\/[a-z0-9.-]+\.attest\.strongroom\.internal$/

/** NonPersistedTPM: Intel TDX alone, and nothing that a key would have to be released for. */
const statelessShape = (verifiers: readonly string[]): Shape => ({
  ...confidentialShape(verifiers),
  tee: oneOf('TDX'),
  guestStateKey: { check: (value) => value === undefined, expected: 'none: nothing of such a VM is kept' },
})

/**
 * @param verifiers issuers of other origins that the operator named
 * @throws ServiceError InvalidInstanceSpec with every field that is wrong
 */
export function parseSpec(body: unknown, vmId: string, verifiers: readonly string[] = []): AnySpec {
  const ordinary = at(body, 'ordinary') !== undefined
  const stateless = at(body, 'security.encryption') === 'NonPersistedTPM'
  requireShape(body, ordinary ? ordinaryShape : stateless ? statelessShape(verifiers) : confidentialShape(verifiers))
  const spec = body as InstanceSpec
  if (spec.vmId !== vmId.toUpperCase()) {
    throw new ServiceError({
      code: 'InvalidInstanceSpec',
      message: 'Path and body name different VMs.',
      target: 'vmId',
      expected: vmId,
      found: spec.vmId,
    })
  }
  if (ordinary) return body as AnySpec
  const encrypts = spec.security.encryption === 'DiskWithVMGuestState'
  if (spec.customerKey !== undefined && !encrypts) throw customerKeyWithoutDisk(spec)
  if (encrypts && !spec.security.secureBoot) {
    throw new ServiceError({
      code: 'InvalidInstanceSpec',
      message: 'Encryption of the OS disk requires Secure Boot.',
      target: 'security.secureBoot',
      expected: 'true',
      found: 'false',
      remedy: 'Switch Secure Boot on, or use VMGuestStateOnly.',
    })
  }
  return spec
}

/** @throws ServiceError InvalidInstanceSpec */
export function parseCustomerKey(body: unknown): CustomerKey {
  requireShape(body, customerShape)
  return body as CustomerKey
}

const customerKeyWithoutDisk = (spec: InstanceSpec): ServiceError =>
  new ServiceError({
    code: 'InvalidInstanceSpec',
    message: 'A customer’s key goes with an encrypted OS disk only.',
    target: 'security.encryption',
    expected: 'DiskWithVMGuestState',
    found: spec.security.encryption,
    remedy: 'Use DiskWithVMGuestState, or leave the disk-encryption set out.',
  })

/** @throws ServiceError InvalidInstanceSpec */
export function parsePatch(body: unknown): InstancePatch {
  const patch = (body ?? {}) as InstancePatch
  requireShape(patch, {
    ...(patch.size !== undefined && sizeShape),
    ...(patch.security?.secureBoot !== undefined && { 'security.secureBoot': flag }),
    ...(patch.tags !== undefined && { tags: textMap }),
    ...(patch.network !== undefined && networkShape),
    ...(patch.interfaces !== undefined && { interfaces: furtherInterfaces }),
    ...shownShape,
    ...(patch.userData !== undefined && { userData: data }),
    ...(patch.customerKey !== undefined && { customerKey: confidentialShape([])['customerKey']! }),
  })
  return patch
}

/** Graceful where the body does not say. @throws ServiceError InvalidInstanceSpec */
export function parseStop(body: unknown = {}): StopRequest {
  const given = (body ?? {}) as Partial<StopRequest>
  requireShape(given, given.graceful === undefined ? {} : { graceful: flag })
  return { graceful: given.graceful !== false }
}

/** @throws ServiceError InvalidInstanceSpec */
export function parseConversion(body: unknown): InstanceConversion {
  requireShape(body, conversionShape)
  const { tee, size, guestStateKey } = body as InstanceConversion
  return { tee, size, guestStateKey }
}

/** @throws ServiceError InvalidInstanceSpec */
export function parseDataDisks(body: unknown): AttachedDisk[] {
  requireShape(body, {
    disks: { check: (value) => Array.isArray(value) && value.length <= 64, expected: 'a list of at most 64 disks' },
  })
  const { disks } = body as { disks: AttachedDisk[] }
  for (const disk of disks)
    requireShape(disk, {
      lun: count(0, 63),
      disk: { check: (value) => typeof value === 'string' && isVmId(value), expected: 'an upper-case GUID' },
      sizeGiB: count(1, 32_767),
      'shown.id': line,
      'shown.name': line,
      'shown.caching': oneOf('None', 'ReadOnly', 'ReadWrite'),
      'shown.storageAccountType': line,
    })
  const twice = (values: unknown[]): boolean => new Set(values).size < values.length
  if (!twice(disks.map(({ lun }) => lun)) && !twice(disks.map(({ disk }) => disk))) return disks
  throw new ServiceError({
    code: 'InvalidInstanceSpec',
    message: 'A LUN or a disk stands in the list more than once.',
    target: 'disks',
    expected: 'a LUN of its own for each disk',
  })
}

/** Azure's limits: 90 minutes, and a script that fits into a request. @throws ServiceError InvalidInstanceSpec */
export function parseCommand(body: unknown): CommandRequest {
  requireShape(body, {
    id: text(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'a lower-case GUID'),
    script: { check: (value) => typeof value === 'string' && value.length <= 262_144, expected: 'a shell script' },
    timeoutSeconds: count(1, 5400),
    parameters: { check: isParameters, expected: 'a list of names and values of environment variables' },
  })
  return body as CommandRequest
}

const isParameters = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((each: unknown) => {
    const { name, value: content } = (each ?? {}) as Record<string, unknown>
    return (
      typeof name === 'string' &&
      /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) &&
      typeof content === 'string' &&
      !content.includes('\0') &&
      content.length <= 16_384
    )
  })

/**
 * Holds a body to its shape, member by member.
 * @throws ServiceError InvalidInstanceSpec with every field that is wrong and every member that the shape does not have:
 * what this wire does not know, for example `security.debug`, is not kept for a later reader to find
 */
export function requireShape(body: unknown, shape: Shape): void {
  const wrong = faultsOf(body, shape)
  const first = wrong[0]
  if (first === undefined) return
  throw new ServiceError({
    code: 'InvalidInstanceSpec',
    message: `The VM's specification is not acceptable: ${wrong.map(({ target }) => target).join(', ')}.`,
    target: first.target,
    details: wrong.map(({ code, target, expected }) => ({ code, target, message: `Expected ${expected}.` })),
    expected: first.expected,
  })
}

interface Fault {
  code: 'InvalidField' | 'UnknownField'
  target: string
  expected: string
}

function faultsOf(body: unknown, shape: Shape): Fault[] {
  const invalid = Object.entries(shape).flatMap(([target, { check, expected }]): Fault[] =>
    check(at(body, target)) ? [] : [{ code: 'InvalidField', target, expected }],
  )
  return [...invalid, ...unknownMembers(body, Object.keys(shape), '')]
}

function unknownMembers(body: unknown, paths: readonly string[], above: string): Fault[] {
  if (body === undefined) return []
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return [{ code: 'InvalidField', target: above === '' ? 'body' : above.slice(0, -1), expected: 'an object' }]
  return Object.entries(body).flatMap(([name, value]: [string, unknown]): Fault[] => {
    const path = `${above}${name}`
    if (paths.includes(path)) return []
    if (paths.some((each) => each.startsWith(`${path}.`))) return unknownMembers(value, paths, `${path}.`)
    return [{ code: 'UnknownField', target: path.slice(0, 200), expected: 'no member of this name' }]
  })
}

function at(body: unknown, path: string): unknown {
  let value = body
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}
