import { setImmediate as nextTurn } from 'node:timers/promises'

export interface Cost {
  /** Processor time of the thread, in milliseconds. */
  thread: number
  /** The most of it between two turns of other work. */
  held: number
  /** Bytes of heap at its largest, above what there was. */
  heap: number
}

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** What some work costs the thread that serves everybody. */
export async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  let [held, heap, isOver] = [0, 0, false]
  const before = process.memoryUsage().heapUsed
  const start = threadMs()
  const others = (async () => {
    for (let last = start; !isOver; last = threadMs()) {
      await nextTurn()
      held = Math.max(held, threadMs() - last)
      heap = Math.max(heap, process.memoryUsage().heapUsed - before)
    }
  })()
  await work()
  isOver = true
  await others
  return { thread: threadMs() - start, held, heap }
}
