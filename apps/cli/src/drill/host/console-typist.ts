import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const everyMs = 2_000
/** The firmware's last word: before it, keys would open its menus. */
const firmwareDone = /BdsDxe: starting/

/** Types at the guest's serial console, again and again, as who holds its other end can. */
export class ConsoleTypist {
  #socket: Socket | undefined
  #ended = false
  /** Lines that the guest's side of the line took. */
  typed = 0

  /**
   * @param o.socket of the console; there once the machine is on
   * @param o.console tells what was shown until now
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
      // Ctrl-C ends what waits for a passphrase; then a name at a prompt, then a command.
      for (const line of ['\u0003', ...o.lines]) if (this.#socket?.write(`${line}\r\n`) === true) this.typed++
    }
  }

  close(): void {
    this.#ended = true
    this.#socket?.destroy()
  }
}
