import { bootNumberCode, type GuestHealth, type InstanceStatus, type InstanceViewStatus } from '@strongroom/contract'

/** Allowed drift of a guest's clock, in seconds: tokens and certificates tolerate minutes, logs and databases less. */
const driftLimit = 0.5

/** What a running guest reports about itself, as statuses of the instance view; problems include their remedy. */
export function guestStatuses({ guest, bootNumber, power }: InstanceStatus): InstanceViewStatus[] {
  return [
    ...(bootNumber !== undefined && power.state === 'Ready' ? [bootStatus(bootNumber)] : []),
    ...(guest === undefined ? [] : healthStatuses(guest)),
  ]
}

/** Here, so that every client of Azure's shows it. */
const bootStatus = (bootNumber: string): InstanceViewStatus => ({
  code: `${bootNumberCode}${bootNumber}`,
  level: 'Info',
  displayStatus: 'Boot number of the guest',
  message: 'The guest runs scripts that its owner signed for this boot.',
})

function healthStatuses(health: GuestHealth): InstanceViewStatus[] {
  return [tpmStatus(health), clockStatus(health), ...health.swaps.map((swap) => swapStatus(health, swap))]
}

/** S15: secrets are sealed to a vTPM only once it is ready. */
function tpmStatus({ tpm, reportedAt }: GuestHealth): InstanceViewStatus {
  const ready = tpm.device && !tpm.lockout && tpm.seals
  const why = !tpm.device
    ? 'the guest has no /dev/tpmrm0'
    : tpm.lockout
      ? 'it is locked after too many failed authorisations'
      : 'it could not unseal what it had sealed'
  return {
    code: ready ? 'VirtualTpm/ready' : 'VirtualTpm/notReady',
    level: ready ? 'Info' : 'Warning',
    displayStatus: ready ? 'Virtual TPM ready' : 'Virtual TPM not ready',
    message: ready
      ? 'The virtual TPM seals and unseals in the guest.'
      : `The virtual TPM is not ready: ${why}. Restart the virtual machine before sealing anything to it (S15).`,
    time: reportedAt,
  }
}

/** S28: drift from the host's clock, with Azure's remedy. */
function clockStatus({ clock, reportedAt }: GuestHealth): InstanceViewStatus {
  const { offsetSeconds } = clock
  const remedy =
    clock.daemon === 'inactive'
      ? 'chrony is not active in the guest: start it (systemctl start chrony) (S28).'
      : 'Run /usr/lib/strongroom/clock-remedy as root in the guest: it replaces the PTP clock in chrony with NTP (S28).'
  const status = { displayStatus: 'Clock of the guest', time: reportedAt }
  if (offsetSeconds === undefined) {
    const message = `The drift of the guest's clock is unknown: the guest got no answer from the host's clock. ${remedy}`
    return { ...status, code: 'Clock/unknown', level: 'Warning', message }
  }
  const drift = `The guest's clock is ${Math.abs(offsetSeconds).toFixed(6)} s ${offsetSeconds > 0 ? 'behind' : 'ahead of'} the host's.`
  if (Math.abs(offsetSeconds) <= driftLimit) return { ...status, code: 'Clock/inStep', level: 'Info', message: drift }
  return { ...status, code: 'Clock/drifted', level: 'Warning', message: `${drift} ${remedy}` }
}

/** S8: swap is as protected as the disk it is on. */
function swapStatus({ reportedAt }: GuestHealth, swap: GuestHealth['swaps'][number]): InstanceViewStatus {
  const size = `${Math.round(swap.sizeKiB / 1024)} MiB of swap on ${swap.name}`
  return swap.protected
    ? {
        code: 'Swap/protected',
        level: 'Info',
        displayStatus: 'Swap',
        message: `${size}, which is encrypted.`,
        time: reportedAt,
      }
    : {
        code: 'Swap/unprotected',
        level: 'Warning',
        displayStatus: 'Swap unprotected',
        message:
          `${size}, which the host can read: it contains pages of the guest's memory in clear. Switch it off ` +
          `(swapoff ${swap.name}) and put swap on the encrypted OS disk, or on dm-crypt with a random key (S8).`,
        time: reportedAt,
      }
}
