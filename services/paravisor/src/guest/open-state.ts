import { keyOfGuestState } from '../release/wrapping-key.ts'
import { isOrdinary, type AnySpec, type GuestIdentity } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { readFirmware } from '../firmware/read-firmware.ts'
import type { GuestState } from '../vmgs/guest-state.ts'
import { unseal, type ParavisorServices } from './unseal.ts'

export interface StateServices extends Omit<ParavisorServices, 'silicon' | 'now'> {
  silicon: ParavisorServices['silicon'] | undefined
  clock: { now(): Date }
}

/** The VM that a guest state opens for; an ordinary VM and one with NonPersistedTPM have none to copy. */
export function guestOf(spec: AnySpec): GuestIdentity | undefined {
  if (isOrdinary(spec) || spec.security.encryption === 'NonPersistedTPM') return undefined
  return {
    vmId: spec.vmId,
    tee: spec.tee,
    encryption: spec.security.encryption,
    secureBoot: spec.security.secureBoot,
    guestStateKey: keyOfGuestState(spec),
    attestationProvider: spec.attestationProvider,
  }
}

/**
 * Opens a guest state for reading, without a boot: measured, attested and released as for one. Nothing is written, so
 * its generation stays. The caller closes it.
 * @throws ServiceError AttestationRefused, KeyReleaseRefused, GuestStateRolledBack, GuestStateOfAnotherVm,
 * GuestStateCorrupt
 */
export async function openState(
  services: StateServices,
  guest: GuestIdentity,
  path: string,
  signal: AbortSignal,
): Promise<GuestState> {
  const { silicon, clock, logger } = services
  if (silicon === undefined) throw noSilicon()
  const { vmId, encryption, secureBoot } = guest
  const { state } = await unseal({
    ...services,
    silicon,
    now: () => clock.now(),
    spec: { ...guest, security: { encryption, secureBoot, vTpm: true } },
    guestStatePath: path,
    firmware: await readFirmware(),
    vCPUs: 1,
    step: (step) => logger.info({ vmId, step }, 'decrypting a guest state to copy it'),
    signal,
  })
  return state
}

const noSilicon = (): ServiceError =>
  new ServiceError({
    code: 'HardwareModeNotBuilt',
    message: 'Guest states are not copied on real SEV-SNP or TDX hardware yet.',
    expected: 'an installation in simulated mode',
    found: 'hardware mode',
    remedy: 'Create an installation in simulated mode in another state directory.',
  })
