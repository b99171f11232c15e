import { toHex } from '../../core/bytes/hex.ts'
import type { EventLog } from '../../eventlog/event-log.ts'
import { eventTypeName } from '../../eventlog/event-types.ts'
import type { Field } from './field.ts'

const meanings: Record<string, string> = {
  EV_NO_ACTION: 'Information that no register was extended with',
  EV_SEPARATOR: 'End of the firmware’s part; FFFFFFFF marks an error',
  EV_S_CRTM_VERSION: 'Version of the firmware’s first code',
  EV_EFI_VARIABLE_DRIVER_CONFIG: 'Secure Boot variable',
  EV_EFI_VARIABLE_BOOT: 'Boot variable',
  EV_EFI_VARIABLE_AUTHORITY: 'Certificate that let an image start',
  EV_EFI_BOOT_SERVICES_APPLICATION: 'Boot loader, kernel or application that was started',
  EV_EFI_BOOT_SERVICES_DRIVER: 'Driver that was started',
  EV_EFI_GPT_EVENT: 'Partition table',
  EV_EFI_ACTION: 'What the firmware did',
  EV_IPL: 'What a boot loader measured',
  EV_POST_CODE: 'Code of the platform’s start',
  EV_EFI_PLATFORM_FIRMWARE_BLOB: 'Part of the firmware',
  EV_EFI_HANDOFF_TABLES: 'Tables that the firmware hands over',
}

export function explainEventLog(log: EventLog): Field[] {
  const rows: Field[] = [
    { name: 'format', value: log.format, meaning: 'sha1: TPM 1.2. crypto-agile: TPM 2.0 and TDX' },
    { name: 'algorithms', value: log.algorithms.join(' '), meaning: 'Banks for which there are digests' },
    { name: 'specVersion', value: log.specVersion ?? 'none', meaning: 'Version of the profile' },
    { name: 'records', value: String(log.events.length), meaning: 'Records after the header' },
  ]
  for (const event of log.events) {
    const type = eventTypeName(event.type)
    const digest = event.digests.get('sha256') ?? [...event.digests.values()][0] ?? new Uint8Array()
    rows.push({
      name: `record ${event.index}`,
      value: `register ${event.pcr}, ${type}, ${toHex(digest)}, ${printable(event.data)}`,
      meaning: meanings[type] ?? 'Measured by firmware or boot loader; the kind itself is in no digest',
    })
  }
  return rows
}

/** The text if the data are text, in one or two bytes per character; else the length. */
function printable(data: Uint8Array): string {
  const narrow = data.filter((byte, index) => byte !== 0 || index % 2 === 0)
  const text = new TextDecoder('latin1').decode(narrow).replace(/(?<!\0)\0+$/, '')
  return /^[ -~]+$/.test(text) ? JSON.stringify(text.slice(0, 120)) : `${data.length} bytes`
}
