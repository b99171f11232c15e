// Separate entry point: a verifier with given reference values does not need the code that computes them from firmware and images.
export {
  buildSnpIdAuthentication,
  buildSnpIdBlock,
  parseSnpIdAuthentication,
  parseSnpIdBlock,
  snpKeyDigest,
  snpOwnerKey,
  verifySnpIdBlock,
  type SnpIdAuthentication,
  type SnpIdBlock,
  type SnpOwner,
  type SnpOwnerKey,
  type VerifiedSnpIdBlock,
} from './snp/id-block.ts'
export { parseSnpFirmware, snpSection, type SnpFirmware, type SnpSection } from './expect/measure/snp-firmware.ts'
export { sevLaunchDigest } from './expect/measure/sev-launch-digest.ts'
export { sevKernelHashesTable, snpKernelHashesPage, type DirectKernel } from './expect/measure/snp-kernel-hashes.ts'
export {
  snpFirmwareDigest,
  snpLaunchDigest,
  snpLaunchDigests,
  snpLaunchStart,
  snpSvsmLaunchDigest,
  type SnpProcessors,
} from './expect/measure/snp-launch-digest.ts'
export { cpuSignature, cpuSignatureOf, type SnpHypervisor } from './expect/measure/snp-vmsa.ts'
export { bootRegisters, nothingPassed, separatorAlone, type BootRegisters } from './expect/predict/boot-registers.ts'
export { firmwareEvents, firmwareRegister, predictPcr0, type FirmwareEvent } from './expect/predict/pcr0.ts'
export { acpiFiles, predictPcr1, tableLoader } from './expect/predict/pcr1.ts'
export { machineTables, predictMachine } from './expect/predict/acpi/machine-tables.ts'
export { machineLimits, pciWindow, type Machine } from './expect/predict/acpi/machine.ts'
export { bootPhases, systemdPhases, type BootPhase } from './eventlog/boot-phases.ts'
export { isUnifiedKernelImage, predictPcr11, sectionDigests } from './expect/predict/pcr11.ts'
export { measureBootFile, type BootFile } from './expect/predict/measured-boot-file.ts'
export {
  imageMeasurementsText,
  imageMeasurementsType,
  parseImageMeasurements,
  predictImageRegisters,
  predictRegisters,
  verifyImageMeasurements,
  type ImageMeasurements,
  type MeasuredImage,
  type RootPartition,
} from './expect/predict/image-measurements.ts'
export {
  bootFileText,
  bootFileType,
  dbOwner,
  publisherAuthority,
  verifyBootFile,
  type BootFileDocument,
} from './expect/predict/boot-file.ts'
export {
  firmwareListText,
  firmwareListType,
  measureFirmware,
  verifyFirmwareList,
  type FirmwareList,
  type FirmwareRelease,
} from './expect/predict/firmware-list.ts'
export {
  findFirmware,
  firmwareRefusal,
  type FirmwareRefusal,
  type FirmwareUpdates,
  type RanFirmware,
} from './expect/predict/judge-firmware.ts'
export { predictPcr4 } from './expect/predict/pcr4.ts'
export {
  measureVariables,
  predictPcr7,
  secureBootEnabled,
  variableDigest,
  type MeasuredVariables,
} from './expect/predict/pcr7.ts'
export {
  parseSettings,
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  verifySettings,
  type GuestSettings,
} from './expect/predict/pcr14.ts'
export {
  parseVolumeText,
  verifyVolume,
  volumeDigest,
  volumeForm,
  volumeRegister,
  volumeSeparator,
  volumeText,
  type Volume,
} from './expect/predict/pcr15.ts'
export { launchIndex, readLaunchRecord, writeLaunchRecord, type LaunchRecord } from './tpm/launch-record.ts'
export { verifySshHostKey } from './expect/predict/ssh-host-key.ts'
export { parseUserspaceLog, type UserspaceRecord } from './eventlog/userspace-log.ts'
export { predictRtmrs, type Measured, type TdDirectBoot } from './expect/predict/rtmr.ts'
export { tdHob } from './expect/predict/td-hob.ts'
export { authenticodeDigest, parsePe, type HashParts, type PeImage, type PeSection } from './expect/predict/pe.ts'
export { findAuthority, signerCertificates } from './expect/predict/pe-signers.ts'
export {
  appendSignatureLists,
  parseSignatureLists,
  signatureLists,
  type SignatureEntry,
} from './eventlog/signature-list.ts'
export {
  authenticatedContent,
  efiTime,
  parseAuthenticatedVariable,
  writeAuthenticatedVariable,
  type AuthenticatedVariable,
} from './expect/predict/authenticated-variable.ts'
export {
  secureBootState,
  secureBootVariableNames,
  variablesOfState,
  variableVendor,
  type SecureBootState,
  type SecureBootVariable,
} from './expect/predict/secure-boot-variables.ts'
export {
  applySecureBootUpdate,
  type AppliedUpdate,
  type SecureBootUpdate,
} from './expect/predict/secure-boot-update.ts'
export { efiVendor } from './eventlog/efi-vendor.ts'
export { parseVariableStore, variableData, type EfiVariable } from './expect/predict/variable-store.ts'
export { mrtd } from './expect/measure/mrtd.ts'
export { parseTdvfSections, type TdvfSection } from './expect/measure/tdvf.ts'
