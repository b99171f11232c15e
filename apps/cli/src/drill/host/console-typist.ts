import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const everyMs = 2_000
/** The firmware's last output: before it, keys would open its menus. */
const firmwareDone = /BdsDxe: starting/

/** Types at the guest's serial console repeatedly, as the holder of its other end can. */
export class ConsoleTypist {
  #socket: Socket | undefined
  #ended = false
  /** Lines accepted by the guest's side. */
  typed = 0

  /**
   * @param o.socket of the console; exists once the machine is on
   * @param o.console returns what was shown so far
   */
  start(o: { socket: string; console: () => Promise<string>; lines: readonly string[] }): void {
    void this.#type(o).catch(() => {})
  }

  async #type(o: { socket: string; console: () => Promise<string>; lines: readonly string[] }): Promise<void> {
    while (!this.#ended) {
      await sleep(everyMs)
      if (!firmwareDone.test(await o.console())) continue
      this.#socket ??= connect(o.socket)
        .on('error', () => (this.#socket = undefined))
        .on('data', () => {})
      // Ctrl-C ends a passphrase prompt; then a name at a prompt, then a command.
      for (const line of ['\u0003', ...o.lines]) if (this.#socket?.write(`${line}\r\n`) === true) this.typed++
    }
  }

  close(): void {
    this.#ended = true
    this.#socket?.destroy()
  }
}
