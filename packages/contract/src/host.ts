/** Types of the wire between the control plane and a host: stated by `hostWire` (wires/host/host-wire.ts). */
import type { AnySpec, OrdinarySpec } from './wires/host/vm.ts'

export type { StepTiming } from './wires/elements/answers.ts'
export type { GuestDisk, GuestSwap } from './wires/guest/health.ts'
export type { AnsweredChallenge, FreshQuote, QuoteChallenge } from './wires/guest/fresh-quote.ts'
export type {
  FirmwareListDocument,
  ImageBuildStatus,
  ImageMeasurementsDocument,
  ImageRecord,
  ImageUpdate,
  SignedVariable,
} from './wires/host/images.ts'
export type { SecurityEncryptionType, Tee } from './wires/elements/names.ts'
export type {
  AttachedDisk,
  CommandRequest,
  FirmwareRemoval,
  FirmwareSigning,
  ImageUpdateRequest,
  SignedVariableRequest,
  InstanceConversion,
  InstancePatch,
  InstanceRekey,
  SimulatedBoot,
  StopRequest,
} from './wires/host/requests.ts'
export type { CommandStatus, GuestHealth, InstanceStatus, PowerState, ProvisioningState } from './wires/host/status.ts'
export type {
  AnySpec,
  CustomerKey,
  GuestInterface,
  InstanceSpec,
  OrdinarySpec,
  SecureBootUpdates,
  SetDomains,
  ShownFacts,
  SpreadSet,
  VmSpec,
} from './wires/host/vm.ts'

export const securityTypes = ['Standard', 'TrustedLaunch', 'ConfidentialVM'] as const
export type SecurityType = (typeof securityTypes)[number]

export const isOrdinary = (spec: AnySpec): spec is OrdinarySpec => 'ordinary' in spec

/** The image of an installation without guests, in place of the reference image: it is never started. */
export const standInImage = { id: 'debian-13-cvm', name: 'debian-13', version: '13.0.0' } as const
