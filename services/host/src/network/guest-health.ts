import type { GuestHealth } from '@strongroom/contract'
import { healthReport } from '@strongroom/contract/wires'
import { read } from '@strongroom/platform'

/**
 * Reads a guest's report about its swap, clock, TPM and disks. @param at time of the report
 * @throws ServiceError 400 InvalidGuestHealth with every invalid member
 */
export const parseGuestHealth = (body: unknown, at: Date): GuestHealth => ({
  ...read(healthReport, body, { code: 'InvalidGuestHealth', subject: 'The guest’s report of its state' }),
  reportedAt: at.toISOString(),
})
