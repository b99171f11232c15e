import { Agent } from 'node:https'
import { fleetHost, releaseStep, releaseStepHeader, type ErrorBody } from '@strongroom/contract'
import { exchange, HttpFailure, requireFittingStep, ServiceError } from '@strongroom/platform'
import type { HostIdentity } from './host-identity.ts'

const answerLimit = 16 * 1024 * 1024

/** The control plane as hosts call it: by its own name, at any address. */
export class FleetClient {
  readonly #agent: Agent
  readonly #via: { host: string; port: number; servername: string }

  private constructor(address: string, agent: Agent) {
    const at = new URL(`https://${address}`)
    this.#via = { host: at.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(at.port || 443), servername: fleetHost }
    this.#agent = agent
  }

  /** Trusts any server: only to fetch the authority's certificate, which is checked against its hash. */
  static believing(address: string): FleetClient {
    return new FleetClient(address, new Agent({ rejectUnauthorized: false, minVersion: 'TLSv1.3' }))
  }

  /** Trusts the authority; with an identity it presents the host's certificate. */
  static under(o: { address: string; authority: string; identity?: HostIdentity }): FleetClient {
    const own = o.identity && { cert: o.identity.certificate, key: o.identity.privateKey }
    return new FleetClient(o.address, new Agent({ ca: o.authority, ...own, keepAlive: true, minVersion: 'TLSv1.3' }))
  }

  async text(path: string, timeoutMs = 10_000): Promise<string> {
    return (await this.#send('GET', path, undefined, timeoutMs)).toString('utf8')
  }

  /** @throws ServiceError from the control plane; PeerUnreachable, PeerTimeout, ReleaseStepsApart */
  async post<T>(path: string, body: object, timeoutMs = 10_000): Promise<T> {
    return JSON.parse((await this.#send('POST', path, body, timeoutMs)).toString('utf8')) as T
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(method: string, path: string, body: object | undefined, timeoutMs: number): Promise<Buffer> {
    const answer = await exchange({
      method,
      url: new URL(path, `https://${fleetHost}`),
      headers: {
        accept: 'application/json',
        [releaseStepHeader]: String(releaseStep),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: Buffer.from(JSON.stringify(body)) }),
      agent: this.#agent,
      via: this.#via,
      patience: { inAll: timeoutMs },
      answerLimit,
    }).catch((error: unknown) => {
      throw error instanceof HttpFailure ? this.#unreachable(error) : error
    })
    requireFittingStep(answer.headers, 'The server')
    if (answer.status < 300) return answer.body
    throw refused(answer.status, answer.body)
  }

  #unreachable(cause: HttpFailure): ServiceError {
    const { host, port } = this.#via
    return new ServiceError({
      code: cause.reason === 'timeout' ? 'PeerTimeout' : 'PeerUnreachable',
      message: `The control plane at ${host}:${port} did not answer: ${cause.message}.`,
      remedy: 'Check that the server runs with --fleet-address, and that this host can reach it there.',
      cause,
    })
  }
}

function refused(status: number, body: Buffer): ServiceError {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as ErrorBody
    return ServiceError.relayed(error, status)
  } catch {
    return new ServiceError({ code: 'PeerFailed', message: `The control plane answered ${status}.` })
  }
}
