import type { Check } from '@strongroom/evidence'

/** Checks without children, in order. */
export function leaves(check: Check): Check[] {
  return check.children.length === 0 ? [check] : check.children.flatMap(leaves)
}

/** Each failed check as `id code`. */
export function faults(check: Check): string[] {
  return leaves(check)
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ id, code }) => `${id} ${code}`)
}

/** Findings of passed checks, by id. */
export function findings(check: Check): Record<string, string | undefined> {
  return Object.fromEntries(
    leaves(check)
      .filter(({ outcome }) => outcome === 'passed')
      .map(({ id, actual }) => [id, actual]),
  )
}
