import { ServiceError } from '@strongroom/platform'

/** api-versions of Azure's instance metadata service, oldest first; dates compare as texts. */
export const metadataVersions: readonly string[] = [
  '2017-03-01',
  '2017-04-02',
  '2017-08-01',
  '2017-10-01',
  '2017-12-01',
  '2018-02-01',
  '2018-04-02',
  '2018-10-01',
  '2019-02-01',
  '2019-03-11',
  '2019-04-30',
  '2019-06-01',
  '2019-06-04',
  '2019-08-01',
  '2019-08-15',
  '2019-11-01',
  '2020-06-01',
  '2020-07-15',
  '2020-09-01',
  '2020-10-01',
  '2020-12-01',
  '2021-01-01',
  '2021-02-01',
  '2021-03-01',
  '2021-05-01',
  '2021-10-01',
  '2021-11-01',
  '2021-11-15',
  '2021-12-13',
  '2023-07-01',
  '2023-11-15',
  '2024-03-15',
  '2024-07-17',
  '2025-01-01',
  '2025-04-07',
]

/** The error that clients parse to find the available versions. */
export class VersionRefused extends ServiceError {
  constructor() {
    super({
      code: 'BadRequest',
      message: 'Bad request. api-version is invalid or was not specified in the request.',
      target: 'api-version',
      expected: metadataVersions.at(-1)!,
    })
  }

  get newest(): string[] {
    return metadataVersions.slice(-3).toReversed()
  }
}

/**
 * @param o.known versions of this endpoint; default: the instance endpoint's
 * @throws VersionRefused
 */
export function requireVersion(query: unknown, known: readonly string[] = metadataVersions): string {
  const version = (query as Record<string, unknown>)['api-version']
  if (typeof version === 'string' && known.includes(version)) return version
  throw new VersionRefused()
}
