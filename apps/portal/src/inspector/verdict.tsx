import type { ComponentChildren } from 'preact'
import type { Check } from '@strongroom/evidence'
import type { Judgement } from '@strongroom/evidence/files'
import { Facts, type Fact } from '../ui/facts.tsx'
import type { Inspected } from './inspect.ts'

const words: Record<Judgement['verdict'], { mark: string; kind: string; title: string }> = {
  accepted: { mark: '✓', kind: 'good', title: 'Accepted' },
  refused: { mark: '✗', kind: 'bad', title: 'Refused' },
  unjudged: { mark: '?', kind: 'open', title: 'Cannot be judged' },
  nothing: { mark: '·', kind: 'open', title: 'Nothing to accept' },
  unendorsed: { mark: '?', kind: 'open', title: 'Key not endorsed' },
}

/** The verdict first, then the reason, then what is missing, then each check. */
export function Verdict({ inspected: { judgement, lacking, unused, at } }: { inspected: Inspected }) {
  const { mark, kind, title } = words[judgement.verdict]
  const { failed, missing } = lacking
  return (
    <section class={`verdict ${kind}`} aria-label="Verdict">
      <h2>
        <span aria-hidden="true">{mark} </span>
        {title}
        {judgement.code !== undefined && <code>{judgement.code}</code>}
      </h2>
      <p class="quiet">
        {judgement.verdict === 'nothing'
          ? 'The files are valid, but state nothing about a machine by themselves. Add the report, quote or token that they belong to. '
          : ''}
        {judgement.verdict === 'unendorsed'
          ? 'Whoever holds this key signed this. Nothing shows whose key it is: add the certificates or the report that endorses it. '
          : ''}
        As of <time dateTime={at.toISOString()}>{at.toISOString()}</time>, under the roots of AMD, Intel and AWS.
      </p>
      {failed !== undefined && <Fault check={failed} />}
      {missing.length > 0 && (
        <>
          <h3>What is missing</h3>
          <ul class="missing">
            {missing.map((message) => (
              <li key={message}>
                <bdi>{message}</bdi>
              </li>
            ))}
          </ul>
        </>
      )}
      <Said judgement={judgement} unused={unused} />
      <details class="checks">
        <summary>Every check</summary>
        <Tree checks={judgement.check.children} />
      </details>
    </section>
  )
}

const mono = (text: string | undefined): ComponentChildren =>
  text === undefined ? undefined : <span class="mono">{text}</span>

/** The first failed check: expected, found, and the rule's source. */
function Fault({ check }: { check: Check }) {
  return (
    <div class="problem">
      <p class="problem-what">
        <bdi>{check.message ?? check.shows}</bdi>
      </p>
      <Facts
        look="plain"
        facts={[
          ['Expected', mono(check.expected)],
          ['Found', mono(check.actual)],
          ['Rule', mono(check.source)],
        ]}
      />
    </div>
  )
}

/** What the evidence states, what was not asked of it, what of it was not used, and the silicon's known flaws. */
function Said({
  judgement: { says, unasked, advisories, verdict },
  unused,
}: {
  judgement: Judgement
  unused: readonly string[]
}) {
  const files = [...new Set(says.map(({ of }) => of))]
  return (
    <>
      {files.map((file) => (
        <div key={file}>
          <h3>
            <bdi>{file}</bdi> says{verdict === 'accepted' ? '' : ' (not accepted)'}
          </h3>
          <Facts
            look="said"
            facts={says.filter(({ of }) => of === file).map(({ what, value }): Fact => [what, value])}
          />
        </div>
      ))}
      {unasked.length > 0 && (
        <>
          <h3>Not checked: no reference value was given</h3>
          <ul>
            {unasked.map((line) => (
              <li key={line}>
                <bdi>{line}</bdi>
              </li>
            ))}
          </ul>
        </>
      )}
      {unused.length > 0 && (
        <details>
          <summary>Not used: the verdict does not depend on it ({unused.length})</summary>
          <ul>
            {unused.map((part, index) => (
              <li key={index}>
                <bdi>{part}</bdi>
              </li>
            ))}
          </ul>
        </details>
      )}
      {advisories.length > 0 && (
        <details>
          <summary>Known flaws of the silicon ({advisories.length})</summary>
          <ul>
            {advisories.map(({ of, id, lacks, bulletin }, index) => (
              <li key={index}>
                <bdi>{of}</bdi>: {id}, {lacks.length > 0 ? `lacks ${lacks.join('; ')}` : 'that no version shows'} (
                {bulletin})
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

const marks = { passed: '✓', failed: '✗', skipped: '?' } as const
const outcomes = { passed: 'holds', failed: 'does not hold', skipped: 'not checked' } as const

function Tree({ checks }: { checks: readonly Check[] }) {
  return (
    <ul class="tree">
      {checks.map((check, index) => (
        <li key={index} class={check.outcome}>
          <span aria-hidden="true">{check.outcome === 'skipped' && check.optional ? '·' : marks[check.outcome]} </span>
          <span class="visually-hidden">{outcomes[check.outcome]}: </span>
          <bdi>{check.shows}</bdi>
          {check.code !== undefined && <code>{check.code}</code>}
          <Note check={check} />
          {check.children.length > 0 && <Tree checks={check.children} />}
        </li>
      ))}
    </ul>
  )
}

function Note({ check }: { check: Check }) {
  const note = check.outcome === 'passed' ? check.actual : check.message
  return note === undefined || note === '' ? null : <bdi class="quiet note">{note}</bdi>
}
