import type { PowerState } from '../resources/machine.ts'

const words: Record<PowerState, string> = {
  running: 'Running',
  starting: 'Starting',
  stopping: 'Stopping',
  stopped: 'Stopped',
  deallocated: 'Deallocated',
  unknown: 'Unknown',
}

/** A machine's state in a word; a shape beside it conveys it without colours. */
export function StateBadge({
  provisioning,
  power,
}: {
  provisioning: string
  power: { power: PowerState; message?: string } | undefined
}) {
  if (provisioning === 'Failed') return <Badge kind="bad" text="Failed" title={power?.message} />
  if (provisioning !== 'Succeeded' && provisioning !== 'Updating') return <Badge kind="moving" text={provisioning} />
  if (power === undefined) return <Badge kind="off" text="…" />
  const kind =
    { running: 'good', starting: 'moving', stopping: 'moving', unknown: 'bad' }[power.power as string] ?? 'off'
  return (
    <Badge
      kind={power.message === undefined ? kind : 'bad'}
      text={words[power.power] ?? power.power}
      title={power.message}
    />
  )
}

const Badge = ({ kind, text, title }: { kind: string; text: string; title?: string | undefined }) => (
  <span class={`badge ${kind}`} title={title}>
    {text}
  </span>
)
