import { Agent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'

const host = 'kv1.vault.strongroom.internal'
const connections = 32

export interface Call {
  method: 'GET' | 'POST'
  /** Or the function that makes each call's path. */
  path: string | (() => string)
  body?: string
}

/** Calls of the vault kv1 over connections that stay open. */
export class VaultLoad {
  readonly #agent: Agent
  readonly #port: number

  constructor(o: { caPem: string; port: number }) {
    this.#port = o.port
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ca: o.caPem, servername: host })
  }

  /** As many as the server takes. */
  async saturate(count: number, call: Call): Promise<void> {
    let left = count
    const one = async (): Promise<void> => {
      while (left-- > 0) await this.send(call)
    }
    await Promise.all(Array.from({ length: connections }, one))
  }

  /** At a fixed rate, whether earlier ones were answered or not. @returns milliseconds from when each was due */
  async steady(perSecond: number, seconds: number, call: Call): Promise<number[]> {
    const latencies: number[] = []
    const pending: Promise<void>[] = []
    const begun = performance.now()
    for (let index = 0; index < perSecond * seconds; index++) {
      const due = begun + (index * 1000) / perSecond
      const wait = due - performance.now()
      if (wait > 1) await sleep(wait)
      pending.push(this.send(call).then(() => void latencies.push(performance.now() - due)))
    }
    await Promise.all(pending)
    return latencies
  }

  close(): void {
    this.#agent.destroy()
  }

  async send({ method, path: given, body }: Call): Promise<void> {
    const path = typeof given === 'string' ? given : given()
    const status = await new Promise<number>((done, fail) => {
      const request = httpsRequest(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          path: `${path}${path.includes('?') ? '&' : '?'}api-version=7.4`,
          method,
          servername: host,
          headers: {
            host,
            authorization: 'Bearer x',
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          response.resume()
          response.once('end', () => done(response.statusCode ?? 0))
        },
      )
      request.once('error', fail)
      request.end(body)
    })
    if (status !== 200) throw new Error(`the vault answered ${status} to ${method} ${path}`)
  }
}
