import type { ComponentChildren } from 'preact'
import { place, setQuery } from '../ui/router.ts'
import { session } from '../wire/session.ts'
import { Facts } from '../ui/facts.tsx'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { readAccess, roleOf, scopeWords, type Access, type Role } from './access.ts'

/** Rights of principals, with their assignments, and the contents of each role. */
export function AccessPage() {
  const live = useLive('access', readAccess, () => 15_000)
  return (
    <>
      <div class="head">
        <h1>Access</h1>
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="Access could not be read." />}
      {live.value === undefined && live.error === undefined && <p class="quiet">Reading …</p>}
      {live.value !== undefined && (
        <>
          <Assignments access={live.value} />
          <Roles roles={live.value.roles} />
        </>
      )}
    </>
  )
}

function Assignments({ access }: { access: Access }) {
  const who = session.value
  const me = who.state === 'in' ? who.person.objectId : ''
  return (
    <section class="stack">
      <h2>
        Who may do what <span class="count">{access.assignments.length}</span>
      </h2>
      <Table
        label="Assignments"
        rows={access.assignments}
        keyOf={({ id }) => id}
        columns={[
          {
            name: 'Who',
            cell: ({ properties: { principalId } }) => (
              <>
                <bdi title={principalId}>{access.names.get(principalId) || principalId}</bdi>
                {principalId === me && ' (you)'}
              </>
            ),
          },
          {
            name: 'Role',
            cell: (assignment) => (
              <>
                <bdi>{roleOf(access, assignment)?.properties.roleName ?? 'a deleted role'}</bdi>
                {assignment.properties.condition !== undefined && (
                  <bdi title={assignment.properties.condition}> (with a condition)</bdi>
                )}
              </>
            ),
          },
          {
            name: 'At',
            cell: ({ properties: { scope } }) => <bdi title={scope}>{scopeWords(scope)}</bdi>,
          },
          { name: 'Kind', cell: ({ properties: { principalType } }) => principalType },
        ]}
      />
    </section>
  )
}

function Roles({ roles }: { roles: readonly Role[] }) {
  const filter = place.value.query.get('role') ?? ''
  const text = (role: Role): string => JSON.stringify(role.properties).toLowerCase()
  const shown = roles.filter((role) => text(role).includes(filter.toLowerCase()))
  return (
    <section class="stack">
      <h2>
        What a role contains <span class="count">{shown.length}</span>
      </h2>
      <label class="short">
        Filter by name or action
        <input type="search" value={filter} onInput={(event) => setQuery({ role: event.currentTarget.value })} />
      </label>
      {shown
        .toSorted((a, b) => a.properties.roleName.localeCompare(b.properties.roleName))
        .map((role) => (
          <details key={role.id}>
            <summary>
              <bdi>{role.properties.roleName}</bdi>
              {role.properties.type === 'CustomRole' && ' (your own)'}
            </summary>
            <div class="stack">
              <p class="quiet">
                <bdi>{role.properties.description ?? ''}</bdi>
              </p>
              {role.properties.permissions.map((permission, index) => (
                <Facts
                  key={index}
                  facts={[
                    ['May', actionList(permission.actions)],
                    ['May not', actionList(permission.notActions)],
                    ['Allowed data actions', actionList(permission.dataActions)],
                    ['May not, in data', actionList(permission.notDataActions)],
                  ]}
                />
              ))}
            </div>
          </details>
        ))}
    </section>
  )
}

const actionList = (actions: readonly string[]): ComponentChildren =>
  actions.length === 0
    ? undefined
    : actions.map((action) => (
        <code key={action} class="line">
          {action}
        </code>
      ))
