import { flag, integer, list, named, object, oneOf, optional, text, upTo, type TypeOf } from '../../shape/index.ts'
import { keyIdentifier, line, lowerCaseGuid, tee, vmId } from '../elements/names.ts'
import {
  anySpec,
  base64,
  customerKey,
  furtherInterfaces,
  network,
  secureBootUpdates,
  settings,
  shownFacts,
  size,
  tags,
} from './vm.ts'

export const instancePatch = named(
  'InstancePatch',
  object({
    size: optional(size),
    security: optional(object({ secureBoot: optional(flag) })),
    userData: optional(base64),
    tags: optional(tags),
    network: optional(network),
    interfaces: optional(furtherInterfaces),
    shown: optional(shownFacts),
    customerKey: optional(customerKey),
    /** All that there are; also while the VM runs, for its next boot. */
    secureBootUpdates: optional(secureBootUpdates),
    /** The same at each patch: for records of releases that did not ask. */
    settings: optional(settings),
  }),
)
export type InstancePatch = TypeOf<typeof instancePatch>

/** Default true. False powers off hard; true asks the guest through ACPI, with a limit. */
export const stopRequest = named('StopRequest', object({ graceful: optional(flag) }))
export type StopRequest = TypeOf<typeof stopRequest>

export const instanceConversion = named(
  'InstanceConversion',
  object({
    tee,
    size,
    /** Its release policy requires evidence of the new technology. */
    guestStateKey: keyIdentifier,
  }),
)
/** Conversion of a VM to the other technology: its guest state is opened under the old one and wrapped for the new. */
export type InstanceConversion = TypeOf<typeof instanceConversion>

export const instanceRekey = named(
  'InstanceRekey',
  object({
    /** The same replacement has the same one: repeated, it is done once. */
    id: lowerCaseGuid,
  }),
)
/** Replacement of the volume key of a VM's encrypted OS disk. */
export type InstanceRekey = TypeOf<typeof instanceRekey>

const attachedDisk = named(
  'AttachedDisk',
  object({
    /** One disk per LUN; the guest sees it at /dev/disk/azure/scsi1/lun{lun}. */
    lun: integer(0, 63),
    /** Id of a stored disk. */
    disk: vmId,
    /** A shorter disk grows to this size when attached; disks never shrink. */
    sizeGiB: integer(1, 32_767),
    /** Further data for the guest's metadata endpoint. */
    shown: object({
      id: line,
      name: line,
      caching: oneOf<string>('None', 'ReadOnly', 'ReadWrite'),
      storageAccountType: line,
    }),
  }),
)
/** A data disk of a VM. */
export type AttachedDisk = TypeOf<typeof attachedDisk>
export const attachedDisks = list(attachedDisk, { most: 64 })
export const dataDisks = named('DataDisks', object({ disks: attachedDisks }))

/** Azure's limits: 90 minutes, and a script that fits into a request. */
export const commandRequest = named(
  'CommandRequest',
  object({
    /** The same id again means the same command. */
    id: lowerCaseGuid,
    script: upTo(262_144, 'a shell script of at most 256 KiB'),
    /** Environment variables; signed scripts accept none. */
    parameters: list(
      object({
        name: text(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'the name of an environment variable'),
        value: upTo(16_384, 'a text of at most 16384 characters, none of them zero', /^[^\0]*$/),
      }),
    ),
    timeoutSeconds: integer(1, 5400),
  }),
)
/** A shell script for a running guest. Its agent runs it only if the owner signed it (docs/guides/guests.md). */
export type CommandRequest = TypeOf<typeof commandRequest>

/** A boot without a guest, for its evidence: launch, attestation, key release and vTPM are real. */
export const simulatedBoot = named('SimulatedBoot', object({ bootId: lowerCaseGuid, spec: anySpec }))
export type SimulatedBoot = TypeOf<typeof simulatedBoot>

/** Makes a boot file on the host an update of an image (docs/design/0018-kernel-updates.md). */
export const imageUpdateRequest = named(
  'ImageUpdateRequest',
  object({
    path: text(/^\/[^\0]*$/, 'an absolute path'),
    /** Default: that of the image's previous update, or 0. */
    generation: optional(integer(0, 999_999_999)),
  }),
)
export type ImageUpdateRequest = TypeOf<typeof imageUpdateRequest>

/** Adds the host's firmware to the list that guests are launched with (docs/design/0020-firmware-updates.md). */
export const firmwareSigning = named(
  'FirmwareSigning',
  object({
    /** Flash file. Default: the one that guests are launched with. */
    path: optional(text(/^\/[^\0]*$/, 'an absolute path')),
    /** For people. Default: package and version of the file. */
    version: optional(text(/^[\x20-\x7e]{1,200}$/, 'at most 200 printable characters')),
    /** Default: the highest of the list, or 1. */
    securityVersion: optional(integer(0, 999_999_999)),
  }),
)
export type FirmwareSigning = TypeOf<typeof firmwareSigning>

/** Firmware that VMs must no longer be launched with. */
export const firmwareRemoval = named(
  'FirmwareRemoval',
  object({ sha256: text(/^[0-9a-f]{64}$/, 'SHA-256 of a listed release, hexadecimal') }),
)
export type FirmwareRemoval = TypeOf<typeof firmwareRemoval>

/** A write of a Secure Boot variable is to be signed by an image's publisher (docs/design/0019-secure-boot-variables.md). */
export const signedVariableRequest = named(
  'SignedVariableRequest',
  object({
    variable: oneOf('PK', 'KEK', 'db', 'dbx'),
    /** Adds to what the variable holds; false replaces it. */
    append: flag,
    /** EFI_SIGNATURE_LISTs. */
    lists: base64,
  }),
)
export type SignedVariableRequest = TypeOf<typeof signedVariableRequest>

/** Makes a disk file on the host an image. */
export const imageImport = named(
  'ImageImport',
  object({
    path: text(/^\/[^\0]*$/, 'an absolute path'),
    name: text(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$/, '1 to 80 letters, digits, dots, hyphens and underscores'),
  }),
)
