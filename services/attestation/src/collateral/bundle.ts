import { ServiceError } from '@strongroom/platform'
import { readBundle, type BundledItem, type Refusal } from './read-bundle.ts'

/** @throws ServiceError CollateralRefused with every item that cannot be read */
export function parseBundle(value: unknown): BundledItem[] {
  const read = readBundle(value)
  if ('items' in read) return read.items
  throw refuseBundle(read.refusals, 'This is not a bundle of collateral.')
}

export function refuseBundle(
  refusals: readonly Refusal[],
  message = 'The bundle was not imported: some of its items cannot be trusted.',
): ServiceError {
  const first = refusals[0]
  return new ServiceError({
    code: 'CollateralRefused',
    message,
    ...(first !== undefined && { target: first.path, expected: first.expected, found: first.found }),
    details: refusals.map(({ path, expected, found }) => ({
      code: 'CollateralRefused',
      target: path,
      message: `Expected ${expected}, found ${found}.`,
    })),
    remedy: 'Export the bundle again (strongroom collateral export) on a host that can reach the vendors.',
  })
}
