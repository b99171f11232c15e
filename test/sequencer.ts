import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const root = resolve(import.meta.dirname, '..')
/** What slow test files took on two cores, by path; the rest takes less than ten. */
const seconds = JSON.parse(readFileSync(join(import.meta.dirname, 'slow-seconds.json'), 'utf8')) as Record<
  string,
  number
>
export const secondsOf = (file: string): number => seconds[file] ?? 10

/** Files of each shard, which take about as long as each other's: each file in turn, the longest first, goes to the shortest shard. */
export function shards(files: readonly string[], count: number): string[][] {
  const made = Array.from({ length: count }, () => ({ files: [] as string[], seconds: 0 }))
  for (const file of files.toSorted((a, b) => secondsOf(b) - secondsOf(a) || (a < b ? -1 : 1))) {
    const shortest = made.reduce((least, each) => (each.seconds < least.seconds ? each : least))
    shortest.files.push(file)
    shortest.seconds += secondsOf(file)
  }
  return made.map(({ files: own }) => own)
}

/** Shards by time, where vitest's would have as many files each. */
export class Sequencer extends BaseSequencer {
  override async shard(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { index, count } = this.ctx.config.shard!
    const paths = new Map(files.map((file) => [relative(root, file.moduleId), file]))
    return await Promise.resolve(shards([...paths.keys()], count)[index - 1]!.map((path) => paths.get(path)!))
  }
}
