import type { BootState, VerifiedEventLog } from '@strongroom/evidence'
import { guestProtocolVersion, type GuestRequest } from './guest-request.ts'

/** Windows measures its boot options into these registers. */
const windowsRegisters: ReadonlySet<number> = new Set([11, 12, 13, 14])
/** EV_EVENT_TAG, which carries Windows' records. */
const taggedEvent = 6

/**
 * Outer claims of a guest, `x-ms-azurevm-*` (facts section 5.4). What the verified log does not say is absent: a claim is
 * never true for want of a record.
 */
export function guestClaims(o: {
  request: GuestRequest
  vmId: string
  boot: BootState
  log: VerifiedEventLog | undefined
}): Record<string, unknown> {
  const { os } = o.request
  const isWindows = os.type.toLowerCase() === 'windows'
  return {
    ...named('secureboot', o.boot.secureBoot),
    'x-ms-azurevm-attestation-protocol-ver': guestProtocolVersion,
    'x-ms-azurevm-attested-pcrs': [...o.request.tpm.pcrs.keys()].toSorted((left, right) => left - right),
    ...named('x-ms-azurevm-dbvalidated', o.boot.dbValidated),
    ...named('x-ms-azurevm-dbxvalidated', o.boot.dbxValidated),
    ...named('x-ms-azurevm-debuggersdisabled', o.boot.debuggersDisabled),
    ...named('x-ms-azurevm-default-securebootkeysvalidated', o.boot.defaultKeysValidated),
    'x-ms-azurevm-is-windows': isWindows,
    ...(isWindows || o.log === undefined || hasWindowsRecords(o.log) ? {} : withoutWindows),
    'x-ms-azurevm-osbuild': os.build,
    'x-ms-azurevm-osdistro': os.distro,
    'x-ms-azurevm-ostype': os.type,
    'x-ms-azurevm-osversion-major': os.major,
    'x-ms-azurevm-osversion-minor': os.minor,
    'x-ms-azurevm-vmid': o.vmId,
  }
}

/** Windows' boot options on a machine whose log shows that no Windows was started. */
const withoutWindows: Record<string, unknown> = {
  'x-ms-azurevm-bootdebug-enabled': false,
  'x-ms-azurevm-elam-enabled': false,
  'x-ms-azurevm-flightsigning-enabled': false,
  'x-ms-azurevm-hvci-policy': 0,
  'x-ms-azurevm-hypervisordebug-enabled': false,
  'x-ms-azurevm-kerneldebug-enabled': false,
  'x-ms-azurevm-signingdisabled': true,
  'x-ms-azurevm-testsigning-enabled': false,
}

function hasWindowsRecords({ log }: VerifiedEventLog): boolean {
  return log.events.some((event) => windowsRegisters.has(event.pcr) && event.type === taggedEvent)
}

function named(name: string, value: boolean | undefined): Record<string, boolean> {
  return value === undefined ? {} : { [name]: value }
}
