/** A listening socket, as Node passes it between processes. */
interface ListeningSocket {
  fd: number
}

const names = ['tls', 'local'] as const

/**
 * The listening sockets of a server, in the process that started it: it accepts nothing itself, so connections that
 * arrive while no server runs wait in the kernel for the next one.
 */
export class HeldListeners {
  readonly #sockets = new Map<string, ListeningSocket>()

  hold(name: string, socket: unknown): void {
    this.#sockets.set(name, socket as ListeningSocket)
  }

  /** Numbers of open files, in the order of `--inherited-listeners`; undefined before a server has opened them. */
  get files(): number[] | undefined {
    const found = names.map((name) => this.#sockets.get(name)?.fd)
    return found.every((fd) => fd !== undefined && fd >= 0) ? (found as number[]) : undefined
  }
}
