// An entry of its own: who verifies evidence against given values does not need what computes them from firmware and images.
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
export { parseSnpFirmware, snpSection, type SnpFirmware, type SnpSection } from './measure/snp-firmware.ts'
export { sevLaunchDigest } from './measure/sev-launch-digest.ts'
export { sevKernelHashesTable, snpKernelHashesPage, type DirectKernel } from './measure/snp-kernel-hashes.ts'
export {
  snpFirmwareDigest,
  snpLaunchDigest,
  snpSvsmLaunchDigest,
  type SnpProcessors,
} from './measure/snp-launch-digest.ts'
export { cpuSignature, cpuSignatureOf, type SnpHypervisor } from './measure/snp-vmsa.ts'
export { bootRegisters, nothingPassed, separatorAlone, type BootRegisters } from './predict/boot-registers.ts'
export { acpiFiles, predictPcr1, tableLoader } from './predict/pcr1.ts'
export {
  bootPhases,
  isUnifiedKernelImage,
  predictPcr11,
  sectionDigests,
  systemdPhases,
  type BootPhase,
} from './predict/pcr11.ts'
export {
  imageMeasurementsText,
  imageMeasurementsType,
  measureBootFile,
  parseImageMeasurements,
  predictImageRegisters,
  predictRegisters,
  verifyImageMeasurements,
  type BootFile,
  type ImageMeasurements,
  type MeasuredImage,
} from './predict/image-measurements.ts'
export { predictPcr4 } from './predict/pcr4.ts'
export { measureVariables, predictPcr7, secureBootEnabled, type MeasuredVariables } from './predict/pcr7.ts'
export {
  parseSettings,
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  verifySettings,
  type GuestSettings,
} from './predict/pcr14.ts'
export {
  parseVolumeText,
  verifyVolume,
  volumeDigest,
  volumeForm,
  volumeRegister,
  volumeSeparator,
  volumeText,
  type Volume,
} from './predict/pcr15.ts'
export { parseUserspaceLog, type UserspaceRecord } from './eventlog/userspace-log.ts'
export { predictRtmrs, type Measured, type TdDirectBoot } from './predict/rtmr.ts'
export { tdHob } from './predict/td-hob.ts'
export { authenticodeDigest, parsePe, type HashParts, type PeImage, type PeSection } from './predict/pe.ts'
export { findAuthority, signerCertificates } from './predict/pe-signers.ts'
export { parseSignatureLists, type SignatureEntry } from './predict/signature-list.ts'
export { efiVendor, parseVariableStore, variableData, type EfiVariable } from './predict/variable-store.ts'
export { mrtd } from './measure/mrtd.ts'
export { parseTdvfSections, type TdvfSection } from './measure/tdvf.ts'
