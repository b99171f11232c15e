import { readReleaseStep, releaseStep, releaseStepHeader, stepsFit } from '@strongroom/contract'
import { ServiceError } from './errors/errors.ts'

/**
 * What a host's requests, or the server's answers, say about the sender's release.
 * @param peer who sent them, for the error
 * @returns its step @throws ServiceError ReleaseStepsApart
 */
export function requireFittingStep(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  peer: string,
): number {
  const found = readReleaseStep(headers[releaseStepHeader])
  if (stepsFit(found, releaseStep)) return found
  throw new ServiceError({
    code: 'ReleaseStepsApart',
    message: `${peer} is of a release that does not work with this one.`,
    target: releaseStepHeader,
    expected: `release step ${releaseStep - 1} to ${releaseStep + 1}`,
    found: String(headers[releaseStepHeader] ?? found).slice(0, 40),
    remedy: 'Update one release at a time: the server first, then the hosts (docs/guides/fleet.md).',
  })
}
