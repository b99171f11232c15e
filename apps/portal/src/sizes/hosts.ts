import type { HostView } from '@strongroom/contract'
import { get, subscriptionPath, versions } from '../wire/arm.ts'
import { WireError } from '../wire/wire-error.ts'

/** The hosts, as far as placement uses them. */
export type Host = Pick<HostView, 'name' | 'region' | 'zone' | 'tees' | 'state'>

/** @returns undefined if the principal's role does not show hosts (Strongroom.Fleet/hosts/read). @throws WireError */
export async function readHosts(signal?: AbortSignal): Promise<Host[] | undefined> {
  const path = `${await subscriptionPath()}/providers/Strongroom.Fleet/hosts`
  return await get<{ value: Host[] }>(path, versions.fleet, signal).then(
    ({ value }) => value,
    (error: unknown) => {
      if (error instanceof WireError && error.status === 403) return undefined
      throw error
    },
  )
}
