import type { ChildProcess } from 'node:child_process'

interface Answer {
  answered?: unknown
  failed?: string
}

/** A child process that answers one request after the other over IPC. */
export class AskedChild {
  readonly child: ChildProcess
  #queue: Promise<unknown> = Promise.resolve()

  constructor(child: ChildProcess) {
    this.child = child
  }

  get pid(): number {
    return this.child.pid!
  }

  async ask<T>(question: object | undefined): Promise<T> {
    const asked = this.#queue.then(async () => await this.#ask<T>(question))
    this.#queue = asked.catch(() => {})
    return await asked
  }

  async #ask<T>(question: object | undefined): Promise<T> {
    return await new Promise<T>((done, fail) => {
      const { child } = this
      const ended = (): void => fail(new Error('the process ended'))
      if (child.exitCode !== null || child.signalCode !== null) return ended()
      const told = (message: Answer): void => {
        if (!('answered' in message) && message.failed === undefined) return
        child.off('exit', ended).off('message', told)
        if (message.failed === undefined) done(message.answered as T)
        else fail(new Error(message.failed))
      }
      child.once('exit', ended).on('message', told)
      if (question !== undefined) child.send(question)
    })
  }
}
