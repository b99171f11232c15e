import {
  anyText,
  chosen,
  exactly,
  flag,
  integer,
  list,
  map,
  named,
  nothing,
  object,
  oneOf,
  optional,
  text,
  upTo,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { signedManifest } from './backups.ts'
import {
  attestationProvider,
  encryption,
  keptEncryption,
  keyIdentifier,
  line,
  resourceId,
  tee,
  vmId,
} from '../elements/names.ts'

/** temporaryGiB: of the disk that is empty at every start, and gone once the VM is off; absent for none. */
export const size = named(
  'InstanceSize',
  object({
    name: line,
    vCPUs: integer(1, 256),
    memoryMiB: integer(512, 4_194_304),
    temporaryGiB: optional(integer(1, 32_767)),
  }),
)

export const base64: Shape<string> = upTo(90_000, 'base64 of at most 64 KiB', /^[A-Za-z0-9+/]*={0,2}$/)
const macAddress = text(/^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/, 'a MAC address')

export const network = object({ macAddress, privateIpAddress: text(/^[0-9a-fA-F.:]{2,45}$/, 'an address') })

/** Only the guest is at its other end. */
const guestInterface = object({
  macAddress,
  /** The guest gets it by DHCP. */
  privateIpAddress: text(/^[0-9.]{7,15}$/, 'an IPv4 address'),
  /** Of its subnet, for example 10.0.1.0/24. */
  subnetPrefix: text(/^[0-9.]{7,15}\/[0-9]{1,2}$/, 'an IPv4 prefix such as 10.0.1.0/24'),
})
/** A network interface as the guest sees it. */
export type GuestInterface = TypeOf<typeof guestInterface>
/** The largest sizes have eight interfaces. */
export const furtherInterfaces = list(guestInterface, { most: 7 })

export const tags = map(anyText)

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined

const shownFact = upTo(500)
const ownImage = object({ id: shownFact })
const urn = object({ publisher: shownFact, offer: shownFact, sku: shownFact, version: shownFact })
const imageReference = chosen([ownImage, urn], (value) => (memberOf(value, 'id') === undefined ? urn : ownImage))
export const spreadSet = object({
  /** ARM id. */
  id: shownFact,
  faultDomains: integer(1, 5),
  updateDomains: integer(1, 20),
})
export type SpreadSet = TypeOf<typeof spreadSet>
/** Numbers from 0. VMs of one set with different fault domains are on different hosts. */
const domains = object({ faultDomain: integer(0, 4), updateDomain: integer(0, 19) })
export type SetDomains = TypeOf<typeof domains>
/** The resource manager's data that a guest may read at 169.254.169.254. */
export const shownFacts = named(
  'ShownFacts',
  object({
    imageReference: optional(imageReference),
    zone: optional(shownFact),
    /** ARM id of the VM's scale set. */
    scaleSet: optional(shownFact),
    /** Whose VMs are to be on different hosts: its availability set, or its scale set. */
    spread: optional(spreadSet),
    /** Where the VM is among those of `spread`. */
    domains: optional(domains),
    osDisk: optional(object({ name: shownFact, caching: shownFact, storageAccountType: shownFact })),
    /** CIDR prefix of the primary interface's subnet, for example 10.0.0.0/24. */
    subnetPrefix: optional(shownFact),
  }),
)
export type ShownFacts = TypeOf<typeof shownFacts>

export const customerKey = named(
  'CustomerKey',
  object({
    /** ARM id of the set. */
    diskEncryptionSet: resourceId,
    /** ARM id of the resource whose managed identity reads the key: the set, or a user-assigned identity. */
    identity: resourceId,
    /** New guest states use the first; one under another of them opens with that. */
    keyIds: list(keyIdentifier, { least: 1, most: 16 }),
  }),
)
/** Key of a disk-encryption set: without its release, the guest state and the disk behind it stay locked. */
export type CustomerKey = TypeOf<typeof customerKey>

const osProfile = object({
  computerName: text(/^[A-Za-z0-9]([A-Za-z0-9-]{0,62})$/, 'a host name'),
  adminUsername: text(/^[a-z_][a-z0-9_-]{0,31}$/, 'a Linux user name'),
  sshPublicKeys: list(text(/^[\x21-\x7e][\x20-\x7e]{0,15999}\r?\n?$/, 'a public key of one line')),
  /** Base64, at most 64 KiB decoded: for cloud-init, at the first boot. The host's operator can read it. */
  customData: optional(base64),
  /** SHA-256 of the hash: what the guest measures, and all that a host reports. */
  passwordSha256: optional(text(/^[0-9a-f]{64}$/, 'SHA-256 of the hash, hexadecimal')),
  /** As in /etc/shadow. Absent: key login only. A host stores it sealed and gives it only to the guest. */
  passwordHash: optional(text(/^\$y\$[./A-Za-z0-9$]{20,200}$/, 'a yescrypt hash')),
})

/** Members of every VM, confidential or not. */
const common = {
  vmId,
  /** ARM resource id; shown in logs and in the metadata endpoint. */
  resourceId: line,
  name: text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/, 'a name of letters, digits, dots, dashes'),
  region: line,
  size,
  /** ImageRecord.id */
  image: line,
  osDisk: object({ id: line, sizeGiB: integer(1, 4095) }),
  osProfile,
  /** The primary interface. */
  network,
  /** Further ones, in the guest's order. */
  interfaces: optional(furtherInterfaces),
  /** Base64, at most 64 KiB decoded: shown at the metadata endpoint. */
  userData: optional(base64),
  tags,
  /** Further data for the guest's metadata endpoint, which the host does not use. */
  shown: optional(shownFacts),
}
const vmSpec = object(common)
export type VmSpec = TypeOf<typeof vmSpec>

const ordinarySpec = named(
  'OrdinarySpec',
  object({
    ...common,
    ordinary: oneOf('Standard', 'TrustedLaunch'),
    security: object({ secureBoot: flag, vTpm: flag }),
  }),
)
/** A VM without protection from the host: no processor measures it, no key is released for it. */
export type OrdinarySpec = TypeOf<typeof ordinarySpec>

/** Signed writes of Secure Boot variables by the VM's owner, in the order in which boots take them (design 0019). */
export const secureBootUpdates = list(
  named(
    'VariableUpdate',
    object({
      variable: oneOf('PK', 'KEK', 'db', 'dbx'),
      /** EFI_VARIABLE_AUTHENTICATION_2 and the data behind it, as files called .auth hold it. */
      update: base64,
    }),
  ),
  { most: 16 },
)
export type SecureBootUpdates = TypeOf<typeof secureBootUpdates>

const confidential = {
  ...common,
  /** Provider that attests the boot, for example https://sharedweu.weu.attest.strongroom.internal. None with NonPersistedTPM. */
  attestationProvider,
  /** A customer's key that wraps the guest state besides the platform's. Absent: only the platform's. */
  customerKey: optional(customerKey),
  /**
   * The VM's placement in a fleet: becomes part of the claims, with the ticket in each request for its key. Absent on
   * the server's own host.
   */
  placement: optional(
    object({ epoch: integer(1, Number.MAX_SAFE_INTEGER), ticket: text(/^[A-Za-z0-9_-]{43}$/, 'a ticket') }),
  ),
}
const vTpm = exactly(true, 'true: a confidential VM has a vTPM')

/** The VM is restored from a backup: its manifest, authenticated by the owner's key (docs/design/0021-backup.md). */
const restore = optional(object({ manifest: signedManifest }))

/**
 * Where the guest's account, SSH keys and data come from: this request, or the disk of a specialised image. Absent in records of releases
 * that did not say. A restored VM has those of its backup.
 */
export const settings = oneOf('Requested', 'OnDisk')

const keptSpec = named(
  'InstanceSpec',
  object({
    ...confidential,
    restore,
    tee,
    security: object({ encryption: keptEncryption, secureBoot: flag, vTpm }),
    /** Platform-managed key that wraps the guest state's data key. */
    guestStateKey: keyIdentifier,
    settings: optional(settings),
    secureBootUpdates: optional(secureBootUpdates),
  }),
)

/** Intel TDX only, and nothing that requires a key release. */
const statelessSpec = named(
  'StatelessSpec',
  object({
    ...confidential,
    tee: exactly('TDX'),
    security: object({ encryption: exactly('NonPersistedTPM'), secureBoot: flag, vTpm }),
    guestStateKey: optional(nothing('none: such a VM stores nothing')),
  }),
)

const instanceSpec = object({
  ...confidential,
  restore,
  tee,
  security: object({ encryption, secureBoot: flag, vTpm: flag }),
  /** Absent with NonPersistedTPM: there is no guest state. */
  guestStateKey: optional(keyIdentifier),
  settings: optional(settings),
  secureBootUpdates: optional(secureBootUpdates),
})
/** A confidential VM, with or without stored guest state. */
export type InstanceSpec = TypeOf<typeof instanceSpec>

export type AnySpec = InstanceSpec | OrdinarySpec

export const anySpec: Shape<AnySpec> = chosen([ordinarySpec, statelessSpec, keptSpec], (value) => {
  if (memberOf(value, 'ordinary') !== undefined) return ordinarySpec
  return memberOf(memberOf(value, 'security'), 'encryption') === 'NonPersistedTPM' ? statelessSpec : keptSpec
})
