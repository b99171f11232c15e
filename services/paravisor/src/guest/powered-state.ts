import type { AnyBootEvidence } from '@strongroom/contract'
import type { PausedMachine } from '../firmware/mapped-firmware.ts'
import type { Swtpm } from '../tpm/swtpm.ts'
import type { TpmDirectory } from '../tpm/tpm-directory.ts'
import type { ReportOnUserData } from './bind-tpm.ts'
import type { SavedState } from './write-back.ts'

/** What a guest is powered on with, and what remains afterwards; `openGuest` adds more for a confidential VM. */
export interface PoweredState {
  state: SavedState
  /** Absent if the VM has no vTPM. */
  tpm?: Swtpm
  files: { firmware: string; variables: string; tpmState: TpmDirectory | undefined }
  /**
   * Before the first instruction: what the machine maps is the firmware that was measured and the VM's UEFI variables.
   * Undefined for an ordinary VM,
   * which no processor launched.
   * @throws ServiceError FirmwareExchanged, VariablesExchanged
   */
  admit: ((machine: PausedMachine) => Promise<void>) | undefined
  /** Of confidential VMs alone. */
  evidence?: AnyBootEvidence
  /** See OpenedGuest. */
  report?: ReportOnUserData
  /** Once the guest has ended: makes copies of older guest states worthless. */
  retire(): Promise<void>
}
