/** The types that determine how a record is read. Kept apart, so that bundles without explanations contain no names. */
export const readTypes = {
  EV_NO_ACTION: 0x00000003,
  EV_SEPARATOR: 0x00000004,
  EV_ACTION: 0x00000005,
  EV_EFI_VARIABLE_DRIVER_CONFIG: 0x80000001,
  EV_EFI_GPT_EVENT: 0x80000006,
  EV_EFI_ACTION: 0x80000007,
  EV_EFI_HCRTM_EVENT: 0x80000010,
} as const

/**
 * Event types of the TCG PC Client Platform Firmware Profile, table 27. The type is not covered by any digest: it is a hint.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { eventTypes, parseEventLog } from '@strongroom/evidence'
 *
 * const { events } = parseEventLog(await readFile('event-log.bin'))
 * // Images started by the firmware.
 * events.filter(({ type }) => type === eventTypes.EV_EFI_BOOT_SERVICES_APPLICATION).length // => 1
 */
export const eventTypes = {
  EV_PREBOOT_CERT: 0x00000000,
  EV_POST_CODE: 0x00000001,
  EV_NO_ACTION: 0x00000003,
  EV_SEPARATOR: 0x00000004,
  EV_ACTION: 0x00000005,
  EV_EVENT_TAG: 0x00000006,
  EV_S_CRTM_CONTENTS: 0x00000007,
  EV_S_CRTM_VERSION: 0x00000008,
  EV_CPU_MICROCODE: 0x00000009,
  EV_PLATFORM_CONFIG_FLAGS: 0x0000000a,
  EV_TABLE_OF_DEVICES: 0x0000000b,
  EV_COMPACT_HASH: 0x0000000c,
  EV_IPL: 0x0000000d,
  EV_IPL_PARTITION_DATA: 0x0000000e,
  EV_NONHOST_CODE: 0x0000000f,
  EV_NONHOST_CONFIG: 0x00000010,
  EV_NONHOST_INFO: 0x00000011,
  EV_OMIT_BOOT_DEVICE_EVENTS: 0x00000012,
  EV_POST_CODE2: 0x00000013,
  EV_EFI_VARIABLE_DRIVER_CONFIG: 0x80000001,
  EV_EFI_VARIABLE_BOOT: 0x80000002,
  EV_EFI_BOOT_SERVICES_APPLICATION: 0x80000003,
  EV_EFI_BOOT_SERVICES_DRIVER: 0x80000004,
  EV_EFI_RUNTIME_SERVICES_DRIVER: 0x80000005,
  EV_EFI_GPT_EVENT: 0x80000006,
  EV_EFI_ACTION: 0x80000007,
  EV_EFI_PLATFORM_FIRMWARE_BLOB: 0x80000008,
  EV_EFI_HANDOFF_TABLES: 0x80000009,
  EV_EFI_PLATFORM_FIRMWARE_BLOB2: 0x8000000a,
  EV_EFI_HANDOFF_TABLES2: 0x8000000b,
  EV_EFI_VARIABLE_BOOT2: 0x8000000c,
  EV_EFI_GPT_EVENT2: 0x8000000d,
  EV_EFI_HCRTM_EVENT: 0x80000010,
  EV_EFI_VARIABLE_AUTHORITY: 0x800000e0,
  EV_EFI_SPDM_FIRMWARE_BLOB: 0x800000e1,
  EV_EFI_SPDM_FIRMWARE_CONFIG: 0x800000e2,
} as const

/**
 * The specification's name, or the number in hexadecimal.
 * @example
 * import { eventTypeName } from '@strongroom/evidence'
 *
 * eventTypeName(0x8000_00e0) // => 'EV_EFI_VARIABLE_AUTHORITY'
 * eventTypeName(0x1234) // => '0x00001234'
 */
export function eventTypeName(type: number): string {
  return (
    Object.entries(eventTypes).find(([, value]) => value === type)?.[0] ?? `0x${type.toString(16).padStart(8, '0')}`
  )
}
