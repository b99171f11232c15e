import type { Piece, Unused } from '@strongroom/evidence/files'
import { numbersFrom } from '../../judges/mutate.ts'
import { type Case, type File, judged } from './case.ts'
import { change, type Kind, kinds } from './change.ts'
import { usedUnits } from './used.ts'

interface Row {
  mutants: number
  accepted: number
  /** Its files' used parts are those of the original, and something in the changed file is named as unused. */
  named: number
  /** The same evidence, whole: another encoding, or a part less. */
  same: number
  unexplained: number
}

export interface Result {
  rows: Record<Kind, Row>
  unexplained: { case: string; file: string; kind: Kind; seed: number; why: string }[]
}

const none = (): Row => ({ mutants: 0, accepted: 0, named: 0, same: 0, unexplained: 0 })

/**
 * Changes one file of each case after the other. An accepted mutant is explained if what the judgement used of it, by
 * its own words, is in the original too: the change is in what is named as unused, or makes no difference to what is read.
 */
export async function runMutants(cases: readonly Case[], o: { first: number; count: number }): Promise<Result> {
  const result: Result = {
    rows: Object.fromEntries(kinds.map((kind) => [kind, none()])) as Record<Kind, Row>,
    unexplained: [],
  }
  const [known, originals] = [new Set<string>(), new Map<Case, Piece[]>()]
  for (const one of cases) {
    const { pieces, judgement } = await judged(one)
    if (judgement.verdict !== 'accepted') throw new Error(`${one.name} is not accepted: ${judgement.code}`)
    for (const unit of usedUnits(pieces, judgement)) known.add(unit)
    originals.set(one, pieces)
  }
  const others = cases.flatMap(({ files }) => files.slice(0, 1))
  for (let seed = o.first; seed < o.first + o.count; seed++) {
    const pick = numbersFrom(seed)
    const one = cases[pick(cases.length)]!
    await runOne({ one, seed, pick, others, known, original: originals.get(one)! }, result)
  }
  return result
}

async function runOne(
  o: {
    one: Case
    seed: number
    pick: (below: number) => number
    others: readonly File[]
    known: ReadonlySet<string>
    original: readonly Piece[]
  },
  result: Result,
): Promise<void> {
  const { one, pick } = o
  const index = pick(3) === 0 ? pick(one.files.length) : 0
  const [name, bytes] = one.files[index]!
  const wanted = kinds[pick(kinds.length)]!
  const changed = change(wanted, bytes, pick, o.others)
  const kind = changed === undefined ? 'flip' : wanted
  const { bytes: mutant, named } = changed ?? change('flip', bytes, pick, o.others)!
  const row = result.rows[kind]
  row.mutants++
  const files = one.files.with(index, [name, mutant])
  const { pieces, judgement } = await judged({ ...one, files })
  if (judgement.verdict !== 'accepted') return
  row.accepted++
  // A part that another genuine file adds is judged like it.
  const own = judgement.unused.filter(({ of }) => of === name || of.startsWith(`${name} `))
  // What is named in the mutant alone is left out of the original too: it has the change.
  const left = usedUnits(o.original, judgement)
  const fresh = [...usedUnits(pieces, judgement)].filter((unit) => !o.known.has(unit) && !left.has(unit))
  const unnamed = named !== undefined && !isNamed(name, named, own, pieces)
  if (fresh.length > 0 || unnamed) {
    row.unexplained++
    const why = unnamed ? `${named.join(', ')} is not named` : `${fresh.length} used parts are not in the original`
    result.unexplained.push({ case: one.name, file: name, kind, seed: o.seed, why })
  } else if (own.length > 0) row.named++
  else row.same++
}

/** Whether the place of the addition is named; where evidence was read there, a part of it is enough. */
function isNamed(file: string, places: readonly string[], own: readonly Unused[], pieces: readonly Piece[]): boolean {
  if (places.length === 0) return own.some(({ what }) => what.includes('around the PEM blocks'))
  const inside = `${file} ${places.at(-1)} `
  const isEvidence = pieces.some(({ name, kind }) => kind !== 'unused' && name.startsWith(inside.trim()))
  return own.some(
    ({ of }) => places.some((place) => of === `${file} ${place}`) || (isEvidence && of.startsWith(inside)),
  )
}

/** Adds up results of several workers. */
export function addUp(results: readonly Result[]): Result {
  const rows = Object.fromEntries(
    kinds.map((kind) => {
      const total = none()
      for (const { rows: each } of results)
        for (const key of Object.keys(total) as (keyof Row)[]) total[key] += each[kind][key]
      return [kind, total]
    }),
  ) as Record<Kind, Row>
  return { rows, unexplained: results.flatMap(({ unexplained }) => unexplained) }
}

export function total({ rows }: Result): Row {
  const all = none()
  for (const row of Object.values(rows)) for (const key of Object.keys(all) as (keyof Row)[]) all[key] += row[key]
  return all
}

export function table(result: Result): string {
  const { rows } = result
  const all = total(result)
  const line = (name: string, row: Row): string =>
    `${name.padEnd(10)}${Object.values(row)
      .map((value) => String(value).padStart(12))
      .join('')}`
  const head = `${''.padEnd(10)}${Object.keys(all)
    .map((key) => key.padStart(12))
    .join('')}`
  return [head, ...Object.entries(rows).map(([kind, row]) => line(kind, row)), line('all', all)].join('\n')
}
