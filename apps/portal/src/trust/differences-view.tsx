import { useState } from 'preact/hooks'
import { Facts, type Fact } from '../ui/facts.tsx'
import { differences } from './boot-facts.ts'
import type { SeenBoot } from './pins.ts'

/** Differences between the last boot and an earlier one that this browser saw. */
export function DifferencesView({ boots }: { boots: readonly SeenBoot[] }) {
  const [last, ...earlier] = boots
  const [chosen, setChosen] = useState(0)
  const before = earlier[chosen] ?? earlier[0]
  if (last === undefined || before === undefined)
    return (
      <p class="quiet">This browser has seen one boot of this machine. Differences are shown from the next one on.</p>
    )
  const found = differences(before, last)
  return (
    <>
      <label class="boots">
        Compare the last boot ({last.startedAt}) with that of
        <select value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
          {earlier.map(({ bootId, startedAt }, index) => (
            <option key={bootId} value={index}>
              {startedAt}
            </option>
          ))}
        </select>
      </label>
      {found.length === 0 ? (
        <p>Nothing differs.</p>
      ) : (
        <Facts
          look="said changes"
          facts={found.map(({ name, before: was, after: is }): Fact => [
            name,
            <>
              <del>
                <bdi class="mono">{was}</bdi>
              </del>
              <ins>
                <bdi class="mono">{is}</bdi>
              </ins>
            </>,
          ])}
        />
      )}
    </>
  )
}
