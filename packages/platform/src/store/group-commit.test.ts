import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { GroupCommit } from './group-commit.ts'

/** Records the written groups. */
function recording(limit = 100): { groups: number[][]; commit: GroupCommit<number> } {
  const groups: number[][] = []
  const commit = new GroupCommit<number>({
    limit,
    write: (entries) => {
      groups.push(entries)
      return entries.includes(13) ? Promise.reject(new Error('the disk is full')) : Promise.resolve()
    },
  })
  return { groups, commit }
}

test('what comes in one moment is written together, in order', async () => {
  const { groups, commit } = recording()
  await Promise.all([1, 2, 3].map((entry) => commit.add(entry)))
  expect(groups).toEqual([[1, 2, 3]])
})

test('a request that is a turn of the event loop behind joins the group', async () => {
  const { groups, commit } = recording()
  const first = commit.add(1)
  await setImmediate()
  await Promise.all([first, commit.add(2)])
  expect(groups).toEqual([[1, 2]])
})

test('entries that never stop coming cannot keep the first from being written', async () => {
  const { groups, commit } = recording()
  let written = false
  const first = commit.add(0).then(() => (written = true))
  const rest: Promise<void>[] = []
  for (let turn = 1; turn < 200 && !written; turn++) {
    rest.push(commit.add(turn + 100))
    await setImmediate()
  }
  await Promise.all([first, ...rest])
  expect(groups[0]!.length).toBeLessThan(50)
})

test('is settled once all that came before is written, or has failed', async () => {
  const { groups, commit } = recording(2)
  await commit.settled()
  const added = Promise.allSettled([1, 13, 2].map((entry) => commit.add(entry)))
  await commit.settled()
  expect(groups).toEqual([[1, 13], [2]])
  await added
})

test('no group is larger than the limit', async () => {
  const { groups, commit } = recording(2)
  await Promise.all([1, 2, 3, 4, 5].map((entry) => commit.add(entry)))
  expect(groups).toEqual([[1, 2], [3, 4], [5]])
})

test('a group that cannot be written fails for each of its own, and for nobody else', async () => {
  const { commit } = recording()
  const outcomes = await Promise.allSettled([commit.add(1), commit.add(13)])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await expect(commit.add(2)).resolves.toBeUndefined()
})
