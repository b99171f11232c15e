import { anyText, count, flag, list, named, object, oneOf, optional, type TypeOf } from '../../shape/index.ts'
import { errorDetail, steps } from '../elements/answers.ts'
import { encryption } from '../elements/names.ts'

export const imageRecord = named(
  'ImageRecord',
  object({
    id: anyText,
    name: anyText,
    version: anyText,
    /** Where the raw disk file is. */
    path: anyText,
    sizeBytes: count,
    /** Hexadecimal; empty for a captured or copied disk. */
    sha256: anyText,
    builtAt: anyText,
    source: oneOf('reference', 'import', 'capture'),
    osType: oneOf('Linux'),
    /** Whether the image qualifies for confidential VMs, and per encryption type why not. */
    qualifies: object({ confidential: flag, diskEncryption: flag, reasons: list(anyText) }),
    os: object({ id: anyText, versionId: anyText, kernel: anyText }),
    /** The disk comes with guest state: VMs created from it have this encryption type, and start with its UEFI variables. */
    guestState: optional(object({ encryption, secureBoot: flag })),
  }),
)
export type ImageRecord = TypeOf<typeof imageRecord>

export const imageMeasurements = named(
  'ImageMeasurementsDocument',
  object({
    /** Compact JWS (docs/design/0008-image-measurements.md). */
    jws: anyText,
  }),
)
export type ImageMeasurementsDocument = TypeOf<typeof imageMeasurements>

export const imageUpdate = named(
  'ImageUpdate',
  object({
    /** Id of the image. */
    image: anyText,
    /** Of the kernel. */
    release: anyText,
    generation: count,
    /** Authenticode digest, hexadecimal. */
    bootFile: anyText,
    /** Compact JWS (docs/design/0018-kernel-updates.md). */
    document: anyText,
    /** On the server's machine: linux.efi, linux.jws and the package. */
    directory: anyText,
    /** There too: all updates of the image as an apt repository, signed by the publisher. */
    repository: anyText,
  }),
)
export type ImageUpdate = TypeOf<typeof imageUpdate>

export const firmwareListDocument = named(
  'FirmwareListDocument',
  object({
    /** Compact JWS (docs/design/0020-firmware-updates.md). */
    jws: anyText,
    /** SHA-256 of the firmware that guests are launched with now, hexadecimal; absent if it cannot be read. */
    current: optional(anyText),
  }),
)
export type FirmwareListDocument = TypeOf<typeof firmwareListDocument>

export const signedVariable = named(
  'SignedVariable',
  object({
    /** Id of the image. */
    image: anyText,
    /** EFI_VARIABLE_AUTHENTICATION_2 and the data behind it, base64. */
    update: anyText,
  }),
)
export type SignedVariable = TypeOf<typeof signedVariable>

export const imageBuildStatus = named(
  'ImageBuildStatus',
  object({
    state: oneOf('Absent', 'Running', 'Succeeded', 'Failed'),
    steps,
    image: optional(imageRecord),
    error: optional(errorDetail),
  }),
)
export type ImageBuildStatus = TypeOf<typeof imageBuildStatus>
