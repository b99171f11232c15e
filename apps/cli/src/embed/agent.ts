import { Agent, type RequestOptions } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'

/** Leads every name to the installation's TLS port, and trusts only its certificate authority. */
export class CloudAgent extends Agent {
  readonly #target: { port: number; ca: string }

  constructor(target: { port: number; ca: string }) {
    super({ keepAlive: true })
    this.#target = target
  }

  override createConnection({ servername, host }: RequestOptions): TLSSocket {
    const name = servername ?? host ?? ''
    return connect({ host: '127.0.0.1', port: this.#target.port, ca: this.#target.ca, servername: name })
  }
}
