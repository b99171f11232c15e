import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Check } from '@strongroom/evidence'
import { detect } from '@strongroom/evidence/files'
import { anchors, corpus, type Entry, isNegative, present } from '../corpus.ts'
import { type Case, everyGenuine, type File, judged } from './case.ts'
import { usedUnits } from './used.ts'

/** Genuine evidence of both manifests, with what it takes to accept it; empty without the corpus. */
export async function corpusCases(): Promise<Case[]> {
  if (!present) return []
  const entries = ['MANIFEST.json', 'MANIFEST-2026-12.json']
    .filter((name) => existsSync(join(corpus, name)))
    .flatMap((name) => JSON.parse(readFileSync(join(corpus, name), 'utf8')) as Entry[])
    .filter((entry) => !isNegative(entry) && existsSync(join(corpus, entry.path)))
  const materials = entries.filter(({ kind }) => ['cert-chain', 'vcek', 'crl', 'tdx-collateral'].includes(kind))
  const candidates = [...new Set(materials.map(({ path }) => path))].map((path) => fileOf(path))
  const cases: Case[] = []
  for (const { path, expected } of entries.filter((entry) => !materials.includes(entry))) {
    const file = fileOf(path)
    if (!detect(...file).some(({ kind }) => statements.has(kind))) continue
    const found = await caseOf(file, timesOf(expected), candidates)
    if (found !== undefined) cases.push(found)
  }
  return cases
}

const statements: ReadonlySet<string> = new Set(
  'snp-report tdx-quote td-report hcl-report tpm-quote token nitro-document cca-token release'.split(' '),
)

const fileOf = (path: string): File => [path, new Uint8Array(readFileSync(join(corpus, path)))]

/** When the evidence is valid, as the manifest says, else at some times of the corpus. */
function timesOf({ validFrom, pckValidFrom, exp, tcb = [] }: Entry['expected']): Date[] {
  const stated = [...tcb.map(({ atTimesFrom }) => atTimesFrom), validFrom, pckValidFrom].flatMap((time) =>
    time === undefined || time === null ? [] : [typeof time === 'number' ? time * 1000 : Date.parse(time)],
  )
  const some = ['2023-07-01', '2024-06-01', '2025-06-01', '2026-03-20'].map((day) => Date.parse(day))
  const expiry = exp === undefined ? [] : [exp * 1000 - 60_000]
  return [...stated, ...expiry, ...some].map((time) => new Date(time + 1000))
}

/** The case at the first time at which the file is accepted with files of these; undefined if there is none. */
async function caseOf(file: File, times: readonly Date[], candidates: readonly File[]): Promise<Case | undefined> {
  for (const at of times) {
    const common = { at, anchors, policy: everyGenuine }
    const { pieces, judgement } = await judged({ ...common, files: [file, ...candidates] })
    const used = candidates.filter(
      ([name]) =>
        usedUnits(
          pieces.filter((piece) => piece.file === name),
          judgement,
        ).size > 0,
    )
    const found = await fewest({ ...common, name: file[0], files: [file, ...used] })
    if (found !== undefined) return found
  }
  return undefined
}

const passedIn = (check: Check): number =>
  (check.outcome === 'passed' ? 1 : 0) + check.children.reduce((sum, child) => sum + passedIn(child), 0)

/** Without the files whose absence leaves every check as it is. */
async function fewest(all: Case): Promise<Case | undefined> {
  const first = (await judged(all)).judgement
  if (first.verdict !== 'accepted') return undefined
  let { files } = all
  for (const file of all.files.slice(1)) {
    const fewer = files.filter((each) => each !== file)
    const { judgement } = await judged({ ...all, files: fewer })
    if (judgement.verdict === 'accepted' && passedIn(judgement.check) >= passedIn(first.check)) files = fewer
  }
  return { ...all, files }
}
