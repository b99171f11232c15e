import type { GuestHealth } from '@strongroom/contract'
import { healthReport } from '@strongroom/contract/wires'
import { read } from '@strongroom/platform'

/**
 * Reads what a guest says of its swap, clock, TPM and disks. @param at when it was said
 * @throws ServiceError 400 InvalidGuestHealth with every member that is wrong
 */
export const parseGuestHealth = (body: unknown, at: Date): GuestHealth => ({
  ...read(healthReport, body, { code: 'InvalidGuestHealth', subject: 'The guest’s report of its state' }),
  reportedAt: at.toISOString(),
})
