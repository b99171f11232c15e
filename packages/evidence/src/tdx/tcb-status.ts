/**
 * Intel's status of a TCB level, and `NoMatchingLevel` for a platform below every listed level.
 * @example
 * import { tcbStatuses } from '@strongroom/evidence'
 *
 * tcbStatuses.includes('UpToDate') // => true
 */
export const tcbStatuses = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
  'NoMatchingLevel',
] as const
export type TcbStatus = (typeof tcbStatuses)[number]

/** Statuses that occur in Intel's texts. */
export const listedTcbStatuses: readonly Exclude<TcbStatus, 'NoMatchingLevel'>[] = tcbStatuses.filter(
  (status) => status !== 'NoMatchingLevel',
)

/**
 * Status of a platform whose components have these statuses: never better than the worst. If two components need
 * different remedies, the result names both, as Intel's quote verification library does; being out of date hides a need
 * for hardening.
 * @example
 * import { worstStatus } from '@strongroom/evidence'
 *
 * worstStatus(['UpToDate', 'OutOfDate']) // => 'OutOfDate'
 * worstStatus(['ConfigurationNeeded', 'SWHardeningNeeded']) // => 'ConfigurationAndSWHardeningNeeded'
 */
export function worstStatus(statuses: readonly TcbStatus[]): TcbStatus {
  const has = (...wanted: TcbStatus[]): boolean => statuses.some((status) => wanted.includes(status))
  if (has('NoMatchingLevel')) return 'NoMatchingLevel'
  if (has('Revoked')) return 'Revoked'
  const configuration = has('ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded')
  if (has('OutOfDate', 'OutOfDateConfigurationNeeded'))
    return configuration ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
  const hardening = has('SWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded')
  if (configuration) return hardening ? 'ConfigurationAndSWHardeningNeeded' : 'ConfigurationNeeded'
  return hardening ? 'SWHardeningNeeded' : 'UpToDate'
}
