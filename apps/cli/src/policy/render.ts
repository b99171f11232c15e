import type { PolicyExplanation, RuleReport, Warning } from '@strongroom/policy'

/** Lines for a person: each rule with its result, then the decision and its reason. */
export function renderExplanation(explanation: PolicyExplanation): string[] {
  const lines: string[] = []
  let segment: string | undefined
  for (const rule of explanation.rules) {
    if (rule.segment !== segment) lines.push(...(segment === undefined ? [] : ['']), rule.segment)
    segment = rule.segment
    lines.push(...renderRule(rule))
  }
  return [...lines, ...(lines.length === 0 ? [] : ['']), ...renderDecision(explanation)]
}

const marks = { matched: '✓', notMatched: '·', failed: '✗', notReached: ' ' } as const

function renderRule(rule: RuleReport): string[] {
  const { position, state, matches, unmet, error } = rule
  const head = `  ${marks[state]} ${String(position.line).padStart(3)}  ${rule.rule}`
  const more: string[] = []
  if (state === 'matched') more.push(`${rule.effects.join(', ')}${matches > 1 ? ` (${matches} matches)` : ''}`)
  if (state === 'notMatched' && unmet !== undefined) more.push(`not met: ${unmet.condition}; ${unmet.found}`)
  if (state === 'failed') more.push(`failed: ${error}`)
  if (state === 'notReached') more.push('not reached')
  return [head, ...more.map((text) => `         ${text}`)]
}

export function renderDecision({ outcome, error }: PolicyExplanation): string[] {
  if (outcome === undefined) return [`Error: ${error?.message ?? 'the policy could not be evaluated'}`]
  const { denial, issued, properties, notes } = outcome
  if (denial !== undefined) {
    const lines = [
      denial.reason === 'deny' ? 'Denied: a deny() ran.' : 'Denied: no permit() ran.',
      `  expected: ${denial.expected}`,
      `  found:    ${denial.found}`,
    ]
    return denial.position === undefined
      ? lines
      : [...lines, `  rule:     line ${denial.position.line}, ${denial.rule}`]
  }
  return [
    'Permitted.',
    ...[...issued].map(
      ([type, values]) => `  issued    ${type} = ${values.map((value) => JSON.stringify(value)).join(', ')}`,
    ),
    ...[...properties].map(([type, value]) => `  property  ${type} = ${JSON.stringify(value)}`),
    ...notes.map((note) => `  no effect ${note}`),
  ]
}

export function renderWarnings(warnings: readonly Warning[]): string[] {
  return warnings.map(({ code, position, message }) => `warning ${code}, line ${position.line}: ${message}`)
}
