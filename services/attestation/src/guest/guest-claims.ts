import type { BootState } from '@strongroom/evidence'
import { guestProtocolVersion, type GuestRequest } from './guest-request.ts'

/**
 * Each start of Windows extends these registers: options into 12, details of what was loaded into 13. If they are zero,
 * no Windows has started. The log is not consulted: no firmware register covers these records, and the sender can omit
 * them.
 */
const windowsRegisters = [12, 13]

/**
 * Outer claims of a guest, `x-ms-azurevm-*` (facts section 5.4). Claims without support in quoted registers are absent:
 * no claim is true or false for lack of a record (attack W7).
 */
export function guestClaims(o: { request: GuestRequest; vmId: string; boot: BootState }): Record<string, unknown> {
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
    ...(!isWindows && isNotWindows(o.request.tpm.pcrs) ? withoutWindows : {}),
    'x-ms-azurevm-osbuild': os.build,
    'x-ms-azurevm-osdistro': os.distro,
    'x-ms-azurevm-ostype': os.type,
    'x-ms-azurevm-osversion-major': os.major,
    'x-ms-azurevm-osversion-minor': os.minor,
    'x-ms-azurevm-vmid': o.vmId,
  }
}

/** Windows boot options on a machine whose registers show that no Windows was started. */
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

function isNotWindows(quoted: ReadonlyMap<number, Uint8Array>): boolean {
  return windowsRegisters.every((register) => quoted.get(register)?.every((byte) => byte === 0) === true)
}

function named(name: string, value: boolean | undefined): Record<string, boolean> {
  return value === undefined ? {} : { [name]: value }
}
