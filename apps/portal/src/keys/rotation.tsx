import { useState } from 'preact/hooks'
import type { RotationAction, RotationPolicy } from '@strongroom/contract'
import { Problem } from '../ui/problem.tsx'
import { toWireError, WireError } from '../wire/wire-error.ts'
import { pathOfKey, type WholeKey } from './key.ts'
import { askVault } from './vaults.ts'

interface Wanted {
  afterMade: string
  beforeEnd: string
  end: string
}

const rotateOf = ({ lifetimeActions }: RotationPolicy): RotationAction | undefined =>
  lifetimeActions.find(({ action }) => action.type === 'Rotate')

const wantedOf = (policy: RotationPolicy): Wanted => ({
  afterMade: rotateOf(policy)?.trigger.timeAfterCreate ?? '',
  beforeEnd: rotateOf(policy)?.trigger.timeBeforeExpiry ?? '',
  end: policy.attributes.expiryTime ?? '',
})

/** The policy with another rotation; notices before expiry stay if there is an expiry. */
function policyOf(before: RotationPolicy, { afterMade, beforeEnd, end }: Wanted): RotationPolicy {
  const trigger = {
    ...(afterMade !== '' && { timeAfterCreate: afterMade }),
    ...(beforeEnd !== '' && { timeBeforeExpiry: beforeEnd }),
  }
  const rotate: RotationAction[] = Object.keys(trigger).length === 0 ? [] : [{ trigger, action: { type: 'Rotate' } }]
  const others = before.lifetimeActions.filter(({ action }) => action.type !== 'Rotate' && end !== '')
  return { lifetimeActions: [...others, ...rotate], attributes: end === '' ? {} : { expiryTime: end } }
}

/** When new versions are created, and a button that creates one now. */
export function Rotation(o: { vault: string; name: string; whole: WholeKey; changed: () => void }) {
  const { vault, name, changed } = o
  const { rotation } = o.whole
  const [edited, setEdited] = useState<Wanted>()
  const [refused, setRefused] = useState<WireError>()
  const send = async (method: string, path: string, body?: unknown): Promise<void> => {
    setRefused(undefined)
    await askVault(vault, { method, path: `${pathOfKey(name)}/${path}`, body }).then(
      () => setEdited(undefined),
      (error: unknown) => setRefused(toWireError(error)),
    )
    changed()
  }
  return (
    <section class="stack">
      <h2>Rotation</h2>
      <div class="tools">
        <button type="button" onClick={() => void send('POST', 'rotate')}>
          Rotate now
        </button>
        <span class="quiet">makes a new version; what is under earlier ones still opens.</span>
      </div>
      {rotation instanceof WireError ? (
        <Problem error={rotation} what="The rotation policy could not be read." />
      ) : (
        <form
          class="fields"
          onSubmit={(event) => {
            event.preventDefault()
            void send('PUT', 'rotationpolicy', policyOf(rotation, edited ?? wantedOf(rotation)))
          }}
        >
          {(
            [
              ['afterMade', 'A new version, so long after the last'],
              ['beforeEnd', 'or so long before it ends'],
              ['end', 'New versions end after'],
            ] as const
          ).map(([field, label]) => (
            <label key={field}>
              {label}
              <input
                value={(edited ?? wantedOf(rotation))[field]}
                placeholder="never"
                pattern="P(\d+Y)?(\d+M)?(\d+D)?"
                onInput={(event) =>
                  setEdited({ ...(edited ?? wantedOf(rotation)), [field]: event.currentTarget.value.trim() })
                }
              />
              <span class="aside">P90D: 90 days; P1Y: a year</span>
            </label>
          ))}
          <div>
            <button disabled={edited === undefined}>Set the rotation policy</button>
          </div>
        </form>
      )}
      {refused !== undefined && <Problem error={refused} what="The action failed." />}
    </section>
  )
}
