import { place, setQuery } from '../ui/router.ts'
import { isProviderHost, readDecisions } from '../decisions/decisions.ts'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { DecisionsView } from './decisions-view.tsx'
import { PolicyEditor } from './policy-editor.tsx'
import { policyTypes } from './policy.ts'

const newest = 100

/** A provider: its policies, and its decisions. */
export function ProviderPage({ host }: { host: string }) {
  if (!isProviderHost(host))
    return (
      <>
        <h1>There is no such provider</h1>
        <p>
          <a href="/attestation">All providers</a>
        </p>
      </>
    )
  return <Known host={host} />
}

function Known({ host }: { host: string }) {
  const live = useLive(`decisions ${host}`, async (signal) => await readDecisions(host, newest, signal))
  const asked = place.value.query.get('type')
  const type = policyTypes.find((each) => each === asked) ?? policyTypes[0]
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{host}</bdi>
        </h1>
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The decisions could not be read." />}
      <label class="short">
        Policy for evidence of
        <select value={type} onChange={(event) => setQuery({ type: event.currentTarget.value })}>
          {policyTypes.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <PolicyEditor
        key={`${host} ${type}`}
        host={host}
        type={type}
        decisions={(live.value ?? []).filter((each) => each.type === type)}
      />
      {live.value !== undefined && <DecisionsView decisions={live.value} />}
    </>
  )
}
