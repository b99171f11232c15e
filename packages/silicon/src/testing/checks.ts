import type { Check } from '@strongroom/evidence'

/** Checks without children of their own, in their order. */
export function leaves(check: Check): Check[] {
  return check.children.length === 0 ? [check] : check.children.flatMap(leaves)
}

/** Each failed check as `id code`. */
export function faults(check: Check): string[] {
  return leaves(check)
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ id, code }) => `${id} ${code}`)
}

/** What each check that passed found, by its id. */
export function findings(check: Check): Record<string, string | undefined> {
  return Object.fromEntries(
    leaves(check)
      .filter(({ outcome }) => outcome === 'passed')
      .map(({ id, actual }) => [id, actual]),
  )
}
