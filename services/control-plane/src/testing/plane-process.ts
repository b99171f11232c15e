import { createSealer, openStore } from '@strongroom/platform'
import { Mortal } from './mortal.ts'
import { openTestPlane } from './test-plane.ts'

/** The parent's requests and the answers. */
interface PlaneQuestion {
  id: number
  method: string
  path: string
  body?: unknown
}
export type PlaneMessage =
  | { ready: true }
  | { id: number; status: number; headers: Record<string, string>; body: unknown }
  /** Sent whenever this process has written a step of an operation. */
  | { worked: true }

/**
 * A resource manager without guests as a separate process: `node plane-process.ts URL SERVICE N SIGNAL FROM`. It sends
 * itself the signal before its N-th effect, in the middle of its work; 0 means never. Effects count from its start, or
 * with `work` as FROM from its first operation.
 */
async function main(): Promise<void> {
  const [url = '', service = '', at = '0', signal = 'SIGKILL', from = 'start'] = process.argv.slice(2)
  const mortal = new Mortal(() => process.kill(process.pid, signal))
  let counting = at === '0'
  const count = (): void => {
    if (!counting) mortal.dieAt(Number(at))
    counting = true
  }
  if (from === 'start') count()
  const store = await openStore({ url, service, sealer: createSealer(new Uint8Array(32)) })
  const tell = (message: PlaneMessage): void => void process.send?.(message)
  const mine = mortal.store(store, (table) => {
    if (table !== 'strongroom_operation') return
    if (from === 'work') count()
    tell({ worked: true })
  })
  const plane = await openTestPlane(store, undefined, { compute: 'simulated', store: mine })
  process.on('message', (question: PlaneQuestion) => {
    void plane
      .send(question.method, question.path, question.body)
      .then(({ status, headers, body }) => tell({ id: question.id, status, headers, body }))
  })
  // Its parent is gone, and nobody else would end it.
  process.on('disconnect', () => process.exit(0))
  tell({ ready: true })
}

await main()
