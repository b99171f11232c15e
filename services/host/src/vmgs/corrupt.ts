import { ServiceError } from '@strongroom/platform'

/** The container is not what was written last: cut short, damaged or assembled from parts. Never says what it holds. */
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
