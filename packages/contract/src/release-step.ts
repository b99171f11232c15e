/**
 * Raised by each release. What differs by one works together: a server and a host, a server and the stores that a server
 * of the next release has already changed. So one can be updated after the other, and go back by one.
 */
export const releaseStep = 2

/** Of requests between hosts and the server, and of their answers. Releases before 2 have none. */
export const releaseStepHeader = 'strongroom-release-step'

export const stepsFit = (one: number, other: number): boolean => Math.abs(one - other) <= 1

/** NaN for anything but a number. */
export function readReleaseStep(header: string | readonly string[] | undefined): number {
  if (header === undefined) return 1
  return typeof header === 'string' && /^[1-9]\d{0,5}$/.test(header) ? Number(header) : Number.NaN
}
