import { ServiceError } from '@strongroom/platform'

/** More than any client joins. Each is compared with each row (attack W22). */
const most = 16

/** The terms of a `$filter` that are joined by `and`. @throws ServiceError InvalidFilterInQueryString if there are too many */
export function termsOf(filter: string): string[] {
  const terms = filter.split(/(?<!\s)\s+and\s+/i)
  if (terms.length <= most) return terms
  throw new ServiceError({
    code: 'InvalidFilterInQueryString',
    message: 'The $filter has too many terms.',
    target: '$filter',
    expected: `at most ${most} terms joined by and`,
    found: String(terms.length),
  })
}
