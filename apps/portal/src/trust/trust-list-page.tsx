import { groupOf, placeOf, readMachines } from '../resources/machine.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'

/** Machines with trust reports. */
export function TrustListPage() {
  const machines = useLive('machines', readMachines)
  return (
    <>
      <h1>Trust</h1>
      <p class="quiet">Each report is verified in your browser, against roots that you pin in it.</p>
      {machines.error !== undefined && <Problem error={machines.error} what="The machines could not be read." />}
      {machines.value?.length === 0 && <p>No machine yet.</p>}
      <ul class="trust-list">
        {machines.value?.map((machine) => (
          <li key={machine.id}>
            <a href={`${placeOf(machine)}/trust`}>
              <bdi>{machine.name}</bdi>
            </a>{' '}
            <span class="quiet">
              in <bdi>{groupOf(machine.id)}</bdi>
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}
