import type { Live } from './live.ts'
import { connection } from '../wire/connection.ts'
import { clockTime } from './format.ts'

/** When what is shown was read; marked where a later try failed or the server is silent. */
export function Freshness({ live }: { live: Pick<Live<unknown>, 'at' | 'error'> }) {
  if (live.at === undefined) return null
  const stale = live.error !== undefined || connection.value.state === 'lost'
  return (
    <span class={stale ? 'freshness stale' : 'freshness'}>
      {stale ? 'Stale: as of ' : 'As of '}
      <time>{clockTime(new Date(live.at))}</time>
    </span>
  )
}
