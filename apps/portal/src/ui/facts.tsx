import type { ComponentChildren } from 'preact'

/** A name with its value; undefined is omitted, empty text is shown. */
export type Fact = readonly [name: string, value: ComponentChildren]

/**
 * Names with their values, each with its own text direction.
 * @param look `facts`: in columns, about one thing; `said`: one below the other, values as written; `plain`: inside a
 * problem
 */
export function Facts({
  facts,
  look = 'facts',
  label,
}: {
  facts: readonly Fact[]
  look?: 'facts' | 'said' | 'said changes' | 'plain'
  label?: string
}) {
  const shown = facts.filter(([, value]) => value !== undefined)
  if (shown.length === 0) return null
  return (
    <dl class={look === 'plain' ? undefined : look} aria-label={label}>
      {shown.map(([name, value], index) => (
        <div key={index}>
          <dt>
            <bdi>{name}</bdi>
          </dt>
          <dd>
            <bdi class={look === 'facts' || look === 'plain' ? undefined : 'mono'}>{value}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  )
}
