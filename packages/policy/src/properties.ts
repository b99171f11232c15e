import type { Claim } from './claim.ts'

export const minutesPerYear = 525_600

interface KnownProperty {
  fits: (value: unknown) => boolean
  expected: string
}

/**
 * Properties that Azure's documentation names (policy-version-1-1, claim-sets, custom-tcb-baseline-enforcement), with
 * their accepted values. Others have no effect, as in Azure.
 */
export const knownProperties: ReadonlyMap<string, KnownProperty> = new Map([
  [
    'report_validity_in_minutes',
    {
      fits: (value) => typeof value === 'number' && value >= 1 && value <= minutesPerYear,
      expected: `whole minutes from 1 to ${minutesPerYear}`,
    },
  ],
  ['omit_x5c', { fits: isBoolean, expected: 'true or false' }],
  ['require_valid_aik_cert', { fits: isBoolean, expected: 'true or false' }],
  [
    'required_pcr_mask',
    {
      fits: (value) => typeof value === 'number' && value >= 0 && value <= 0xff_ff_ff,
      expected: 'a mask of PCRs from 0 to 0xFFFFFF',
    },
  ],
  ['x-ms-sgx-tcbidentifier', { fits: (value) => typeof value === 'string', expected: 'a string' }],
] satisfies [string, KnownProperty][])

/** What a known property expects instead of this value; undefined if the value fits or the property is unknown. */
export function misfit({ type, value }: Pick<Claim, 'type' | 'value'>): string | undefined {
  const known = knownProperties.get(type)
  return known === undefined || known.fits(value) ? undefined : `${known.expected} for ${type}`
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}
