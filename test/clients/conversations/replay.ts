import { setTimeout as sleep } from 'node:timers/promises'
import { managementAudience, managementHost, vaultAudience } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { TestInstallation } from '../../../apps/strongroomd/src/testing/running.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
export type Json = any

/** A client's request, rewritten, with the statuses that its library accepts. */
export interface Call {
  method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'
  /** ARM path, or an address of a vault. */
  path: string
  version: string
  body?: unknown
  /** Accepted statuses; any other ends the client's run. */
  status: number[]
  /** The client polls the operation named in the answer. */
  polls?: true
  check?(body: Json): void
}

export interface Conversation {
  name: string
  calls(about: About): Call[]
}

/** What a client knows beforehand. */
export interface About {
  subscription: string
  tenantId: string
  group: string
  /** A new vault name: a deleted vault keeps its name. */
  vault: string
  objectId: string
}

interface Answer {
  status: number
  headers: Record<string, string | undefined>
  body: Json
}

/** Replays a conversation in order. @throws Error that names the call with an unexpected answer */
export async function replay(installation: TestInstallation, calls: Call[]): Promise<void> {
  const tokens = new Map<string, string>()
  const tokenFor = async (audience: string): Promise<string> => {
    const known = tokens.get(audience) ?? (await installation.owner.getToken(`${audience}/.default`)).token
    tokens.set(audience, known)
    return known
  }
  const send = async (method: string, url: string, body?: unknown): Promise<Answer> => {
    const audience = url.startsWith(`https://${managementHost}`) ? managementAudience : vaultAudience
    const token = await tokenFor(audience)
    try {
      const reply = await installation.wire.request<Json>({ method, url, token, ...(body !== undefined && { body }) })
      return { status: reply.status, headers: reply.headers as Answer['headers'], body: reply.body }
    } catch (error) {
      if (error instanceof ServiceError) return { status: error.status, headers: {}, body: { error: error.toDetail() } }
      throw error
    }
  }
  for (const call of calls) {
    const base = call.path.startsWith('https:') ? call.path : `https://${managementHost}${call.path}`
    const url = `${base}${base.includes('?') ? '&' : '?'}api-version=${call.version}`
    const answer = await send(call.method, url, call.body)
    const said = `${call.method} ${call.path} (${call.version})`
    if (!call.status.includes(answer.status))
      throw new Error(`${said}: ${answer.status} instead of ${call.status.join(', ')}: ${JSON.stringify(answer.body)}`)
    if (call.polls === true) await follow(send, answer, said)
    call.check?.(answer.body)
  }
}

async function follow(
  send: (method: string, url: string) => Promise<Answer>,
  first: Answer,
  said: string,
): Promise<void> {
  const url = first.headers['azure-asyncoperation'] ?? first.headers['location']
  if (url === undefined) return
  for (;;) {
    const { status, body } = await send('GET', url)
    if (body?.status === 'Succeeded' || (body?.status === undefined && status !== 202)) return
    if (body?.status === 'Failed' || body?.status === 'Canceled')
      throw new Error(`${said}: the operation ended as ${JSON.stringify(body)}`)
    await sleep(50)
  }
}
