import { Agent, request as httpsRequest } from 'node:https'

/** One kind of request. */
export interface Call {
  name: string
  host: string
  method: 'GET' | 'POST' | 'PUT'
  path: string
  token?: string
  /** application/json by default. */
  contentType?: string
  /** Used in turn. */
  bodies?: string[]
}

/** Requests to the listener of one installation. */
export class Caller {
  readonly #port: number
  readonly #agent: Agent
  #turn = 0

  constructor(o: { caPem: string; port: number; connections: number; keepAlive: boolean }) {
    this.#port = o.port
    this.#agent = new Agent({
      keepAlive: o.keepAlive,
      maxSockets: o.connections,
      ca: o.caPem,
      // Each connection makes a full handshake, as different callers do.
      maxCachedSessions: 0,
    })
  }

  /** @returns the status; 0 if the connection broke */
  async send(call: Call): Promise<number> {
    const { bodies = [] } = call
    const body = bodies[this.#turn++ % Math.max(1, bodies.length)]
    return await new Promise<number>((done) => {
      const sent = httpsRequest(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          servername: call.host,
          method: call.method,
          path: call.path,
          headers: {
            host: call.host,
            ...(call.token !== undefined && { authorization: `Bearer ${call.token}` }),
            ...(body !== undefined && {
              'content-type': call.contentType ?? 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          response.resume()
          response.once('end', () => done(response.statusCode ?? 0))
          response.once('error', () => done(0))
        },
      )
      sent.once('error', () => done(0))
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
