import type { Live } from './live.ts'
import { connection } from '../wire/connection.ts'
import { clockTime } from './format.ts'

/** When the shown data were read; marked if a later attempt failed or the server is unreachable. */
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
