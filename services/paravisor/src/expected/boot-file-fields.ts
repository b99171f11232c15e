import type { PeImage } from '@strongroom/evidence/expected'

/**
 * In `.osrel` of a kernel image: its initrd opens the OS disk with the volume key in the vTPM, in the second format
 * (recipes/common/init; docs/design/0009-disk-key.md).
 */
export const diskKeyField: { name: string; value: string } = { name: 'STRONGROOM_DISK_KEY', value: '2' }

/**
 * In `.osrel` of a kernel image: its initrd measures the settings that the vTPM holds, so that the agent of its image does not
 * (recipes/common). Initrds of before leave it to their agents.
 */
export const settingsField: { name: string; value: string } = { name: 'STRONGROOM_SETTINGS', value: '1' }

/** In `.osrel` of a kernel image: its initrd reads the disk's key under PCR 0, the firmware's, too. Initrds of before do not. */
export const firmwareField: { name: string; value: string } = { name: 'STRONGROOM_FIRMWARE_REGISTER', value: '0' }

/**
 * In `.osrel` of a kernel image: which image its updates are for, and that its initrd opens a disk that admits several
 * boot files (docs/design/0018-kernel-updates.md).
 */
export const updatesField = 'STRONGROOM_UPDATES'

/** True if the kernel image states that its initrd takes the OS disk's key from the vTPM. */
export function opensWithVtpmKey(boot: PeImage): boolean {
  return releaseField(boot, diskKeyField.name) === diskKeyField.value
}

/** True if its initrd, not the agent, measures the settings that the vTPM holds. */
export function measuresSettings(boot: PeImage): boolean {
  return releaseField(boot, settingsField.name) === settingsField.value
}

/** True if its initrd reads the disk's key under the firmware's register too. */
export function readsUnderFirmware(boot: PeImage): boolean {
  return releaseField(boot, firmwareField.name) === firmwareField.value
}

/** Name under which the kernel image accepts updates; undefined if it accepts none. */
export function updatedAs(boot: PeImage): string | undefined {
  return releaseField(boot, updatesField) || undefined
}

/** A field of os-release(5) in its section `.osrel`. */
export function releaseField(boot: PeImage, key: string): string {
  return (
    new RegExp(`^${key}=(?:"([^"\n]*)"|'([^'\n]*)'|(.*))$`, 'm')
      .exec(sectionText(boot, '.osrel'))
      ?.slice(1)
      .find((part) => part !== undefined) ?? ''
  )
}

/** Its section as text, without what pads it. */
export function sectionText(boot: PeImage, section: string): string {
  const found = boot.sections.find((candidate) => candidate.name === section)
  return found === undefined ? '' : new TextDecoder().decode(found.data).replace(/\0[^]*$/, '')
}
