import { useEffect, useMemo, useState } from 'preact/hooks'
import type { AttestationType } from '@strongroom/contract'
import type { Decided } from '../decisions/decisions.ts'
import { Facts } from '../ui/facts.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import type { Answer, Comparison, JudgedText } from './judge-policy.ts'
import { readPolicy, resetPolicy, setPolicy } from './policy.ts'

type Judge = typeof import('./judge-policy.ts')

/** A policy editor that parses and warns while one types, and compares with earlier decisions. */
export function PolicyEditor({ host, type, decisions }: { host: string; type: AttestationType; decisions: Decided[] }) {
  const live = useLive(
    `policy ${host} ${type}`,
    async (signal) => await readPolicy(host, type, signal),
    () => 15_000,
  )
  const [edited, setEdited] = useState<string>()
  const [judge, setJudge] = useState<Judge>()
  const [refused, setRefused] = useState<WireError>()
  useEffect(() => {
    void import('./judge-policy.ts').then((module) => setJudge(module))
  }, [])
  const inForce = live.value?.text
  const text = edited ?? inForce ?? ''
  const judged = useMemo(() => judge?.judgeText(text), [judge, text])
  const send = async (change: Promise<void>): Promise<void> => {
    setRefused(undefined)
    await change.then(
      () => setEdited(undefined),
      (error: unknown) => setRefused(toWireError(error)),
    )
    live.refresh()
  }
  return (
    <section class="stack" aria-label="Policy">
      <h2>Policy for {type}</h2>
      {live.error !== undefined && <Problem error={live.error} what="The policy could not be read." />}
      {inForce !== undefined && (
        <>
          <label>
            Text of the policy{live.value?.signed === true ? ', signed' : ''}
            <textarea
              class="code-text"
              rows={Math.min(24, text.split('\n').length + 1)}
              spellcheck={false}
              value={text}
              onInput={(event) => setEdited(event.currentTarget.value)}
            />
          </label>
          <div class="tools">
            <button
              type="button"
              class="primary"
              disabled={edited === undefined || judged === undefined || 'error' in judged}
              onClick={() => void send(setPolicy(host, type, text))}
            >
              Set this policy
            </button>
            {edited !== undefined && (
              <button type="button" onClick={() => setEdited(undefined)}>
                Back to the one in force
              </button>
            )}
            <button type="button" onClick={() => void send(resetPolicy(host, type))}>
              Reset to the default
            </button>
          </div>
        </>
      )}
      {refused !== undefined && <Problem error={refused} what="The policy was not changed." />}
      <div aria-live="polite" class="stack">
        {judged !== undefined && inForce !== undefined && <Judged judged={judged} />}
      </div>
      {judge !== undefined && judged !== undefined && 'policy' in judged && inForce !== undefined && (
        <Changes judge={judge} inForce={inForce} judged={judged} decisions={decisions} />
      )}
    </section>
  )
}

function Judged({ judged }: { judged: JudgedText }) {
  if ('error' in judged) {
    const { position, expected, found, failingRule } = judged.error
    return (
      <div class="problem">
        <p class="problem-what">
          This is not a policy yet: line {position.line}, column {position.column}.
        </p>
        <Facts
          look="plain"
          facts={[
            ['Expected', expected],
            ['Found', found],
            ['Rule', failingRule],
          ]}
        />
      </div>
    )
  }
  if (judged.warnings.length === 0)
    return <p class="quiet">No warning. A policy without warnings may still be wrong.</p>
  return (
    <ul class="steps" aria-label="Warnings">
      {judged.warnings.map(({ code, position, message }, index) => (
        <li key={index} class="note">
          <strong>{code}</strong>, line {position.line}: <bdi>{message}</bdi>
        </li>
      ))}
    </ul>
  )
}

const verdicts: Record<Answer['verdict'], { kind: string; word: string }> = {
  permitted: { kind: 'good', word: 'Permitted' },
  denied: { kind: 'bad', word: 'Denied' },
  error: { kind: 'bad', word: 'Error' },
}

const Verdict = ({ answer }: { answer: Answer }) => (
  <span class={`badge ${verdicts[answer.verdict].kind}`}>{verdicts[answer.verdict].word}</span>
)

function Changes(o: {
  judge: Judge
  inForce: string
  judged: Exclude<JudgedText, { error: unknown }>
  decisions: Decided[]
}) {
  const { judge, inForce, judged, decisions } = o
  const known = useMemo(() => judge.judgeText(inForce), [judge, inForce])
  const all = useMemo(
    (): Comparison[] =>
      'policy' in known && 'policy' in judged ? judge.compare(known.policy, judged.policy, decisions) : [],
    [judge, known, judged, decisions],
  )
  const changed = all.filter(judge.changes)
  return (
    <section class="stack" aria-label="Tried on stored decisions">
      <h3>
        Held to what was decided before{' '}
        <span class="count" role="status">
          {changed.length} of {all.length} would change
        </span>
      </h3>
      {all.length < decisions.length && (
        <p class="quiet">
          Of {decisions.length - all.length} more no claims are kept: their evidence was refused before any policy was
          asked.
        </p>
      )}
      {all.length > 0 && <ChangeTable rows={all} changes={judge.changes} />}
    </section>
  )
}

const ChangeTable = ({ rows, changes }: { rows: Comparison[]; changes: (row: Comparison) => boolean }) => (
  <Table
    label="Results for stored decisions"
    rows={rows}
    keyOf={({ decision }) => decision.id}
    columns={[
      { name: 'Machine', kind: 'head', cell: ({ vmId }) => <bdi>{vmId ?? 'says none'}</bdi> },
      { name: 'In force', cell: ({ before }) => <Verdict answer={before} /> },
      { name: 'This text', cell: ({ after }) => <Verdict answer={after} /> },
      { name: 'Changes', cell: (row) => (changes(row) ? <strong>changes</strong> : '') },
      { name: 'Why', cell: ({ after }) => <bdi>{after.why ?? ''}</bdi> },
      { name: 'When', cell: ({ decision }) => momentOf(decision.at) },
    ]}
  />
)
