import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Response } from '../core/connection.ts'
import { managementHost, type ErrorDetail } from '@strongroom/contract'
import { CliError } from '../core/cli-error.ts'
import { expectSuccess } from './https.ts'

/** api-versions as the stock CLI sends them. */
export const apiVersions = {
  resources: '2024-11-01',
  network: '2024-05-01',
  compute: '2024-11-01',
  attestation: '2021-06-01',
  vaults: '2023-07-01',
} as const

export interface OperationStep {
  name: string
  state: string
  startedAt?: string
  endedAt?: string
  message?: string
}

interface OperationBody {
  status: string
  startTime?: string
  error?: ErrorDetail
  properties?: { steps?: OperationStep[] }
}

export type OnSteps = (steps: OperationStep[]) => void

const addressOf = (path: string, apiVersion: string): string =>
  `https://${managementHost}${path}${path.includes('?') ? '&' : '?'}api-version=${apiVersion}`

/** The resource manager, as any client sees it. */
export class ArmClient {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  get subscription(): string {
    return `/subscriptions/${this.#connection.server.subscriptionId}`
  }

  get region(): string {
    return this.#connection.server.region
  }

  async send(method: string, path: string, apiVersion: string, body?: unknown): Promise<Response> {
    return await this.sendUrl(method, addressOf(path, apiVersion), body)
  }

  async sendUrl(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const token = await this.#connection.ownerToken()
    const response = await this.#connection.https.request({
      method,
      url,
      token,
      headers,
      ...(body === undefined ? {} : { body }),
    })
    return expectSuccess(response)
  }

  /** PUT of what must not exist yet; undefined, and nothing is changed, if it does, however recently it was created. */
  async create(path: string, apiVersion: string, body: unknown): Promise<Response | undefined> {
    try {
      return await this.sendUrl('PUT', addressOf(path, apiVersion), body, { 'if-none-match': '*' })
    } catch (error) {
      if (error instanceof CliError && error.code === 'PreconditionFailed') return undefined
      throw error
    }
  }

  async get<T>(path: string, apiVersion: string): Promise<T> {
    return (await this.send('GET', path, apiVersion)).json as T
  }

  /** Every page of a list. */
  async list<T>(path: string, apiVersion: string): Promise<T[]> {
    const all: T[] = []
    let page = await this.get<{ value: T[]; nextLink?: string }>(path, apiVersion)
    for (;;) {
      all.push(...page.value)
      if (page.nextLink === undefined) return all
      page = (await this.sendUrl('GET', page.nextLink)).json as typeof page
    }
  }

  /** Sends, then follows Azure-AsyncOperation to the end. */
  async run(method: string, path: string, apiVersion: string, body?: unknown, onSteps?: OnSteps): Promise<Response> {
    const response = await this.send(method, path, apiVersion, body)
    await this.follow(response, onSteps)
    return response
  }

  /** Sends an action that returns a result, and polls its Location until it is available. */
  async result<T>(method: string, path: string, apiVersion: string, body?: unknown): Promise<T> {
    let response = await this.send(method, path, apiVersion, body)
    for (;;) {
      const url = response.headers['location']
      if (response.status !== 202 || typeof url !== 'string') return response.json as T
      await sleep(500)
      response = await this.sendUrl('GET', url)
    }
  }

  async follow(response: Response, onSteps: OnSteps = () => {}): Promise<void> {
    const url = response.headers['azure-asyncoperation'] ?? response.headers['location']
    if (typeof url !== 'string') return
    for (;;) {
      const polled = await this.sendUrl('GET', url)
      const operation = polled.json as OperationBody | undefined
      if (operation?.status === undefined) {
        if (polled.status !== 202) return
      } else {
        onSteps(operation.properties?.steps ?? [])
        if (operation.status === 'Succeeded') return
        if (operation.status === 'Failed' || operation.status === 'Canceled') {
          throw CliError.fromDetail(
            operation.error ?? {
              code: operation.status,
              message: `The operation ended as ${operation.status}.`,
            },
            409,
          )
        }
      }
      await sleep(500)
    }
  }
}
