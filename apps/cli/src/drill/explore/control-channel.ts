import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const everyMs = 200
const answerMs = 20_000

/** QEMU's machine protocol (QMP) on a socket of the host's own. */
export class ControlChannel {
  readonly #socket: Socket
  readonly #answers: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#answers = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  /** Waits until QEMU listens; undefined if it never does. */
  static async open(path: string, signal: AbortSignal): Promise<ControlChannel | undefined> {
    while (!signal.aborted) {
      const socket = connect(path)
      socket.on('error', () => socket.destroy())
      const reached = await once(socket, 'connect', { signal }).then(
        () => true,
        () => false,
      )
      if (reached) {
        const channel = new ControlChannel(socket)
        await channel.execute('qmp_capabilities')
        return channel
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {})
    }
    return undefined
  }

  /** @returns QEMU's refusal, if it refused @throws Error if it does not answer */
  async execute(command: string, args: Record<string, unknown> = {}): Promise<string | undefined> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`)
    const late = sleep(answerMs, { done: true as const, value: undefined }, { ref: false })
    for (;;) {
      const { done, value } = await Promise.race([this.#answers.next(), late])
      if (done === true) throw new Error(`QEMU did not answer ${command}`)
      const answer = JSON.parse(value) as { return?: unknown; error?: { desc: string } }
      if ('return' in answer) return undefined
      if (answer.error !== undefined) return answer.error.desc
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}
