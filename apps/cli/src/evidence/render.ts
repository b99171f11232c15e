import { type Check } from '@strongroom/evidence'
import { describeUnused, type Judgement, whatIsMissing } from '@strongroom/evidence/files'
import type { Explanation } from '@strongroom/evidence/explain'

const marks = { passed: '✓', failed: '✗', skipped: '?' } as const

/** The tree for display: a line per check, with expected and found for those that did not pass. */
export function renderJudgement(judgement: Judgement, at: Date): string[] {
  const lines = judgement.check.children.flatMap((check) => renderCheck(check, ''))
  lines.push('', ...renderSaid(judgement), ...renderAdvisories(judgement))
  if (judgement.verdict === 'accepted') lines.push(`Accepted, as of ${at.toISOString()}.`)
  else if (judgement.verdict === 'nothing') {
    lines.push(
      `Nothing to accept, as of ${at.toISOString()}: the files are valid, but they do not attest anything on their own.`,
      'Add the report, quote or token that they belong to.',
    )
  } else if (judgement.verdict === 'unendorsed') {
    lines.push(
      `Key not endorsed, as of ${at.toISOString()}: whoever holds this key signed this. Nothing shows whose key it is.`,
      'Add what endorses the key (certificates, or the report that binds it), or name it in the policy (keys) if you know whose it is.',
    )
  } else if (judgement.verdict === 'refused') lines.push(`Refused, as of ${at.toISOString()}: ${judgement.code}.`)
  else {
    lines.push(`Cannot be judged, as of ${at.toISOString()}. What is missing:`)
    for (const message of new Set(whatIsMissing(judgement).map((check) => check.message ?? check.shows))) {
      if (!message.startsWith('It depends on')) lines.push(`  ${message}`)
    }
  }
  return lines
}

/** What the evidence states, file by file, then what was not asked of it, and what of it was not used. */
function renderSaid({ says, unasked, unused, verdict }: Judgement): string[] {
  const lines: string[] = []
  for (const [index, { of, what, value }] of says.entries()) {
    if (says[index - 1]?.of !== of) lines.push(`${of} says${verdict === 'accepted' ? '' : ' (not accepted)'}:`)
    lines.push(`  ${what}: ${value}`)
  }
  if (says.length > 0) lines.push('')
  if (unasked.length > 0)
    lines.push('Not checked: no reference value was given:', ...unasked.map((line) => `  ! ${line}`), '')
  if (unused.length > 0)
    lines.push(
      'Not used: the verdict does not depend on it:',
      ...unused.map((part) => `  · ${describeUnused(part)}`),
      '',
    )
  return lines
}

/** Silicon flaws, file by file: first those whose fix the TCB lacks, then those that no version shows. */
function renderAdvisories({ advisories }: Judgement): string[] {
  const lines: string[] = []
  for (const file of new Set(advisories.map(({ of }) => of))) {
    const own = advisories.filter(({ of }) => of === file)
    const lacking = own.filter(({ lacks }) => lacks.length > 0)
    const notShown = own.filter(({ lacks }) => lacks.length === 0)
    if (lacking.length > 0) lines.push(`Known flaws whose fix the TCB of ${file} lacks:`)
    for (const each of lacking) lines.push(`  ! ${title(each)}: ${each.lacks.join('; ')}; ${each.bulletin}`)
    if (notShown.length > 0) lines.push(`Known flaws that no version in ${file} shows; ask whoever runs the host:`)
    for (const each of notShown) lines.push(`  · ${title(each)}; ${each.bulletin}`)
  }
  return lines.length === 0 ? [] : [...lines, '']
}

const title = ({ id, name, references }: Judgement['advisories'][number]): string =>
  `${id} (${[name, ...references].filter((part) => part !== undefined).join(', ')})`

function renderCheck(check: Check, indent: string): string[] {
  const note = check.outcome === 'passed' ? check.actual : check.message
  const code = check.code === undefined ? '' : ` [${check.code}]`
  const lines = [
    `${indent}${check.outcome === 'skipped' && check.optional === true ? '·' : marks[check.outcome]} ` +
      `${check.shows}${code}${note === undefined || note === '' ? '' : `: ${note}`}`,
  ]
  if (check.outcome === 'failed' && check.children.length === 0) {
    if (check.expected !== undefined) lines.push(`${indent}    expected: ${check.expected}`)
    if (check.actual !== undefined) lines.push(`${indent}    found:    ${check.actual}`)
    if (check.source !== undefined) lines.push(`${indent}    rule:     ${check.source}`)
  }
  for (const child of check.children) lines.push(...renderCheck(child, `${indent}  `))
  return lines
}

export function renderExplanation(explanation: Explanation): string[] {
  const lines = [`${explanation.name}: ${explanation.title}`]
  if (explanation.fault !== undefined) lines.push(`  It cannot be read: ${explanation.fault}`)
  const width = Math.min(40, Math.max(0, ...explanation.fields.map((field) => field.name.length)))
  for (const field of explanation.fields) {
    lines.push(`  ${field.name.padEnd(width)}  ${field.value}`, `  ${' '.repeat(width)}    ${field.meaning}`)
  }
  return lines
}
