/** The inventory of what a host chooses (docs/proof/inputs.md): each input, and what becomes of it. */

/** `ignored`: whatever the host chooses changes nothing that matters. `unprotected`: LIMITATIONS.md says so. */
export type Fate = 'measured' | 'authenticated' | 'ignored' | 'unprotected'

export interface Row {
  readonly inputs: readonly string[]
  readonly fate: Fate
  /** Register or claim; key; reason; of `unprotected` the beginning of the row in LIMITATIONS.md. */
  readonly by: string
  /** Of the trust report: which link compares it. */
  readonly link?: string
  /** `H13` (docs/proof/attacks.md), `B6/clock` (the drill), or `FILE: TITLE` of a test. */
  readonly shown: readonly string[]
}

export interface Section {
  readonly id: string
  readonly title: string
  /** Where the list of inputs comes from. */
  readonly about: string
  readonly rows: readonly Row[]
}

type Shown = string | readonly string[]

export const measured = (by: string, link: string, shown: Shown, inputs: readonly string[]): Row => ({
  inputs,
  fate: 'measured',
  by,
  link,
  shown: [shown].flat(),
})

export const authenticated = (by: string, shown: Shown, inputs: readonly string[]): Row => ({
  inputs,
  fate: 'authenticated',
  by,
  shown: [shown].flat(),
})

export const ignored = (by: string, shown: Shown, inputs: readonly string[]): Row => ({
  inputs,
  fate: 'ignored',
  by,
  shown: [shown].flat(),
})

export const unprotected = (limitation: string, inputs: readonly string[]): Row => ({
  inputs,
  fate: 'unprotected',
  by: limitation,
  shown: [],
})

/** Inputs whose names begin alike. @param names separated by blanks */
export const under = (prefix: string, names: string): string[] => names.split(' ').map((name) => `${prefix}${name}`)

/** One sentence for each input without a row, each row without its input, and each input with two rows. */
export function faultsOf({ id, rows }: Pick<Section, 'id' | 'rows'>, found: Iterable<string>): string[] {
  const listed = rows.flatMap(({ inputs }) => inputs)
  const there = new Set(found)
  return [
    ...[...there].filter((input) => !listed.includes(input)).map((input) => `${id}: ${input} has no row`),
    ...listed.filter((input) => !there.has(input)).map((input) => `${id}: ${input} has a row, and is no input`),
    ...listed.filter((input, at) => listed.indexOf(input) !== at).map((input) => `${id}: ${input} has two rows`),
  ].toSorted()
}
