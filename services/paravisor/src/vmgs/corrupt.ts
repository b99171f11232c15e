import { ServiceError } from '@strongroom/platform'

/** The container differs from what was written last: truncated, damaged or assembled from parts. Never reveals its content. */
export function corrupt(message: string, expected?: string, found?: string): ServiceError {
  return new ServiceError({
    code: 'GuestStateCorrupt',
    message: `The guest state cannot be used: ${message}.`,
    target: 'guestState',
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
    remedy: 'Restore the guest state and the disk from the same backup, or delete the VM and recreate it.',
  })
}
