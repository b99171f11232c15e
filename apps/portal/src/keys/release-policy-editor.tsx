import { useEffect, useState } from 'preact/hooks'
import type { KeyReleasePolicyBody } from '@strongroom/contract'
import { readDecisions, type Decided } from '../decisions/decisions.ts'
import { readMachines } from '../resources/machine.ts'
import { Facts } from '../ui/facts.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { base64Url } from '../wire/base64-url.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import type { JudgedPolicy, Trial } from './judge-policy.ts'
import { pathOfKey, policyText } from './key.ts'
import { askVault } from './vaults.ts'

type Judge = typeof import('./judge-policy.ts')

const tried = 50

const pretty = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** Editor of a key's release policy: parses, warns and tries past decisions while one types. */
export function ReleasePolicyEditor(o: {
  vault: string
  name: string
  policy: KeyReleasePolicyBody
  changed: () => void
}) {
  const { vault, name, policy, changed } = o
  const stored = policyText(policy)
  const [edited, setEdited] = useState<string>()
  const [judge, setJudge] = useState<Judge>()
  const [refused, setRefused] = useState<WireError>()
  useEffect(() => {
    void import('./judge-policy.ts').then((module) => setJudge(module))
  }, [])
  const text = edited ?? pretty(stored)
  const judged = judge?.judgePolicy(text)
  const save = async (): Promise<void> => {
    setRefused(undefined)
    const release_policy = { contentType: policy.contentType, data: base64Url(text) }
    await askVault(vault, { method: 'PATCH', path: pathOfKey(name), body: { release_policy } }).then(
      () => setEdited(undefined),
      (error: unknown) => setRefused(toWireError(error)),
    )
    changed()
  }
  return (
    <section class="stack" aria-label="Release policy">
      <h2>Release policy</h2>
      {policy.immutable === true && (
        <p class="note">
          It is immutable: this text stays as long as the key. What you write here is tested, not saved.
        </p>
      )}
      <label>
        Text of the policy
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
          disabled={policy.immutable === true || edited === undefined || judged === undefined || 'fault' in judged}
          onClick={() => void save()}
        >
          Set this policy
        </button>
        {edited !== undefined && (
          <button type="button" onClick={() => setEdited(undefined)}>
            Back to the one in force
          </button>
        )}
      </div>
      {refused !== undefined && <Problem error={refused} what="The policy was not set." />}
      <div aria-live="polite" class="stack">
        {judged !== undefined && <Judged judged={judged} />}
      </div>
      {judge !== undefined && judged !== undefined && 'policy' in judged && <Trials judge={judge} judged={judged} />}
    </section>
  )
}

function Judged({ judged }: { judged: JudgedPolicy }) {
  if ('fault' in judged)
    return (
      <div class="problem">
        <p class="problem-what">This is not a release policy yet.</p>
        <Facts
          look="plain"
          facts={[
            ['Place', judged.fault.place],
            ['Expected', judged.fault.expected],
            ['Found', judged.fault.found],
          ]}
        />
      </div>
    )
  const { warnings, lines } = judged
  return (
    <>
      <ul class="words" aria-label="The policy in words">
        {lines.map(({ depth, text }, index) => (
          <li key={index} data-depth={Math.min(depth, 6)}>
            <bdi>{text}</bdi>
          </li>
        ))}
      </ul>
      {warnings.length === 0 ? (
        <p class="quiet">No warning. A policy without warnings may still be wrong.</p>
      ) : (
        <ul class="steps" aria-label="Warnings">
          {warnings.map(({ code, place, message, remedy }, index) => (
            <li key={index} class="note">
              <strong>{code}</strong> at <code>{place}</code>: <bdi>{message}</bdi> <bdi class="quiet">{remedy}</bdi>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

interface Stored {
  decisions: Decided[]
  /** Providers whose decisions this principal may not see, or that do not exist. */
  closed: { provider: string; error: WireError }[]
  /** Names of machines by id, in lower case. */
  names: ReadonlyMap<string, string>
}

async function readStored(providers: readonly string[], signal: AbortSignal): Promise<Stored> {
  const closed: Stored['closed'] = []
  const [machines, ...lists] = await Promise.all([
    readMachines(signal).catch(() => []),
    ...providers.map(async (provider) =>
      readDecisions(provider, tried, signal).catch((thrown: unknown) => {
        const error = toWireError(thrown)
        closed.push({ provider, error })
        return []
      }),
    ),
  ])
  const names = new Map(machines.map(({ name, properties }) => [properties.vmId.toLowerCase(), name]))
  return { decisions: lists.flat().toSorted((a, b) => b.at.localeCompare(a.at)), closed, names }
}

/** The policy's results on previously attested evidence. */
function Trials({ judge, judged }: { judge: Judge; judged: Exclude<JudgedPolicy, { fault: unknown }> }) {
  const key = judged.providers.toSorted().join(' ')
  const live = useLive(
    `trials ${key}`,
    async (signal) => await readStored(judged.providers, signal),
    () => 30_000,
  )
  const { decisions, closed, names } = live.value ?? { decisions: [], closed: [], names: new Map<string, string>() }
  const trials = judge.tryPolicy(judged.policy, decisions)
  const yes = trials.filter(({ released }) => released).length
  return (
    <section class="stack" aria-label="Tried on stored decisions">
      <h3>
        Tried on what was attested before{' '}
        <span class="count" role="status">
          {live.value === undefined ? '…' : `${yes} yes, ${trials.length - yes} no`}
        </span>
      </h3>
      {closed.map(({ provider, error }) => (
        <p key={provider} class="quiet">
          <bdi>{provider}</bdi>: <bdi>{error.message}</bdi>
        </p>
      ))}
      {live.value !== undefined && trials.length === 0 && (
        <p class="quiet">No provider named by the policy has a recorded decision that this principal may see.</p>
      )}
      {trials.length > 0 && <TrialTable trials={trials} names={names} />}
    </section>
  )
}

const TrialTable = ({ trials, names }: { trials: readonly Trial[]; names: ReadonlyMap<string, string> }) => (
  <Table
    label="Results for stored decisions"
    rows={trials}
    keyOf={({ decision }) => decision.id}
    columns={[
      {
        name: 'Machine',
        kind: 'head',
        cell: ({ vmId }) => <bdi title={vmId}>{names.get(vmId?.toLowerCase() ?? '') ?? vmId ?? 'says none'}</bdi>,
      },
      {
        name: 'Answer',
        cell: ({ released }) => <span class={released ? 'badge good' : 'badge bad'}>{released ? 'Yes' : 'No'}</span>,
      },
      {
        name: 'Why',
        cell: ({ why, released }) =>
          released ? (
            <span class="quiet">every condition holds</span>
          ) : (
            why.map((each, index) => (
              <bdi key={index} class="line">
                {each}
              </bdi>
            ))
          ),
      },
      { name: 'Evidence', cell: ({ decision }) => decision.type },
      { name: 'When', cell: ({ decision }) => momentOf(decision.at) },
    ]}
  />
)
