export { firstUseWarnings, type KnownName, type TrustWarning } from './pins/first-use.ts'
export { verifyBackupReport, verifyRestoreOffer } from './backup.ts'
export { guestAnswerMs, whyUnanswered, type AskedGuest } from './links/running-guest-link.ts'
export { sourceNames, type Source } from './provenance/known.ts'
export type { Link, Outcome } from './provenance/link.ts'
export { vmIdOf } from './decided-vm.ts'
export { verifyLinks, type TrustReport, type TrustRequest } from './report.ts'
export type {
  AskedBackup,
  AskedFirmware,
  AskedImage,
  AskedProvider,
  BootPins,
  LaunchFirmware,
  LaunchReference,
  PinnedFirmware,
  SettingsReference,
} from './provenance/request.ts'
export { parseAnchors, rootsOf, type Roots } from './roots.ts'
export type { FetchKeySet } from './provenance/signed.ts'
export { askedByRecord, providerIdOf, type VmRecord } from './vm-record.ts'
export { sharedIssuer } from './provenance/asked.ts'
export type { Verifier, VerifierKey } from './links/verifier.ts'
