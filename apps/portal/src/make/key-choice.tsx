import { useState } from 'preact/hooks'
import { Command } from '../ui/command.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import type { Changes, Choice } from './choice.ts'
import { keySteps, makeKey, planKey, readSets, setName, type KeyPlan } from './customer-key.ts'

/** Whose key protects the disk: only the platform's, or your own as well. */
export function KeyChoice({ choice, change }: { choice: Choice; change: (part: Changes) => void }) {
  const [plan, setPlan] = useState<KeyPlan>()
  const [done, setDone] = useState(0)
  const [refused, setRefused] = useState<WireError>()
  const [busy, setBusy] = useState(false)
  const sets = useLive(`sets ${choice.region} ${choice.diskEncryptionSet}`, async (signal) =>
    choice.region === '' ? [] : await readSets(choice.region, signal),
  )
  const begin = async (): Promise<void> => {
    const next = planKey({ group: choice.group, region: choice.region })
    setPlan(next)
    setRefused(undefined)
    setBusy(true)
    await makeKey(next, setDone).then(
      (id) => change({ diskEncryptionSet: id }),
      (error: unknown) => setRefused(toWireError(error)),
    )
    setBusy(false)
  }
  const whole = choice.encryption === 'DiskWithVMGuestState'
  const known = sets.value ?? []
  const missing = choice.diskEncryptionSet !== '' && !known.some(({ id }) => same(id, choice.diskEncryptionSet))
  return (
    <section class="check stack" aria-label="Key">
      <label>
        Key
        <select
          value={choice.diskEncryptionSet}
          disabled={!whole}
          onChange={(event) => change({ diskEncryptionSet: event.currentTarget.value })}
        >
          <option value="">The platform’s, kept for this machine only</option>
          {known.map(({ id, name }) => (
            <option key={id} value={same(id, choice.diskEncryptionSet) ? choice.diskEncryptionSet : id}>
              Mine as well: {name}
            </option>
          ))}
          {missing && (
            <option value={choice.diskEncryptionSet}>Mine as well: {setName(choice.diskEncryptionSet)}</option>
          )}
        </select>
        {!whole && <span class="aside">A key of your own needs the disk encryption “Disk and guest state”.</span>}
      </label>
      {whole && (
        <p class="quiet">
          Under a key of yours neither key opens the disk alone: switch yours off, and the machine starts no more.{' '}
          <button type="button" disabled={busy} onClick={() => void begin()}>
            Make a key of mine
          </button>
        </p>
      )}
      {refused !== undefined && (
        <Problem error={refused} what="Creation stopped halfway. What was created before stays." />
      )}
      {plan !== undefined && <Steps plan={plan} done={done} failed={refused !== undefined} />}
    </section>
  )
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

function Steps({ plan, done, failed }: { plan: KeyPlan; done: number; failed: boolean }) {
  const steps = keySteps(plan)
  const stateOf = (index: number): [kind: string, word: string] => {
    if (index < done) return ['good', 'Made']
    if (index > done) return ['off', 'Not yet']
    return failed ? ['bad', 'Refused'] : ['moving', 'Making']
  }
  return (
    <div aria-live="polite" class="stack">
      <ol class="steps">
        {steps.map(({ name }, index) => {
          const [kind, word] = stateOf(index)
          return (
            <li key={name}>
              <span class={`badge ${kind}`}>{word}</span> <bdi>{name}</bdi>
            </li>
          )
        })}
      </ol>
      <details>
        <summary>The same as commands</summary>
        <Command label="Azure CLI for the key" text={steps.map(({ az }) => az).join('\n')} />
      </details>
    </div>
  )
}
