export {
  diskKeyField,
  firmwareField,
  measuresSettings,
  releaseField,
  sectionText,
  opensWithVtpmKey,
  readsUnderFirmware,
  settingsField,
  updatedAs,
  updatesField,
} from './expected/boot-file-fields.ts'
export {
  dbCertificates,
  expectedPcrs,
  type ExpectedPcrs,
  imageBootFile,
  imageKeys,
  initrdMeasuresSettings,
  initrdReadsUnderFirmware,
  measureImage,
  measureUpdate,
  updatesOf,
} from './expected/boot-files.ts'
export { imageFiles } from './expected/image-files.ts'
export { publisher, type Publisher } from './expected/publisher.ts'
export { altered, manifestOf } from './expected/restored.ts'
export { expectedSettings, settingsDigest } from './expected/settings.ts'
export { type FlashBytes, mappedVariables, type PausedMachine } from './firmware/mapped-firmware.ts'
export { measuredCode, readFirmware } from './firmware/read-firmware.ts'
export { makeUefiVariables, microsoftVariables, toPem, variableTemplates } from './firmware/uefi-variables.ts'
