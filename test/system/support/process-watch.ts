import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** Arguments and environments of all processes of this machine over a period, including short-lived programs. */
export class ProcessWatch {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  /** Has looked once when it resolves. */
  static async start(): Promise<ProcessWatch> {
    const worker = new Worker(new URL('./process-watcher.ts', import.meta.url))
    await once(worker, 'message')
    return new ProcessWatch(worker)
  }

  /** @returns each distinct observation: arguments, a line feed, environment, with the NULs between them */
  async stop(): Promise<string[]> {
    this.#worker.postMessage('end')
    const [seen] = (await once(this.#worker, 'message')) as [string[]]
    await this.#worker.terminate()
    return seen
  }
}
