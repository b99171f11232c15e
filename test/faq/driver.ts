import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { managementHost, type ErrorDetail } from '@strongroom/contract'
import type { Connection } from '../../apps/cli/src/core/connection.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { ArmClient } from '../../apps/cli/src/client/arm.ts'
import { prepareNetwork } from '../../apps/cli/src/up/vm-network.ts'
import { vmBody, vmPath, type VmRequest } from '../../apps/cli/src/up/vm-request.ts'
import { defaultRequest } from '../system/support/vm.ts'
import { TestInstallation } from '../system/support/installation.ts'
import type { Trial } from './rule.ts'

export interface Answer {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into member by member
  body: any
  headers: Record<string, string | string[] | undefined>
}

// oxlint-disable-next-line typescript/no-explicit-any -- rules bend requests of any form
export type Loose = any

const version = '2024-11-01'

/** A running installation, used as its owner. */
export class Driver {
  readonly installation: TestInstallation
  readonly arm: ArmClient
  readonly connection: Connection

  private constructor(installation: TestInstallation, connection: Connection) {
    this.installation = installation
    this.connection = connection
    this.arm = new ArmClient(connection)
  }

  static async open(args: string[]): Promise<Driver> {
    const installation = await TestInstallation.create()
    await installation.start({}, args)
    return new Driver(installation, await connect(installation.stateDir))
  }

  get subscription(): string {
    return this.arm.subscription
  }

  vm(name: string): string {
    return vmPath(this.arm, 'strongroom', name)
  }

  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const url = path.startsWith('https:')
      ? path
      : `https://${managementHost}${path}${path.includes('?') ? '&' : '?'}api-version=${version}`
    const token = await this.connection.ownerToken()
    const reply = await this.connection.https.request({ method, url, token, ...(body !== undefined && { body }) })
    return { status: reply.status, body: reply.json, headers: reply.headers }
  }

  /** An accepted change, followed to its end. */
  async run(method: string, path: string, body?: unknown): Promise<Loose> {
    const accepted = await this.send(method, path, body)
    assert.ok(accepted.status < 300, `${method} ${path}: ${JSON.stringify(accepted.body)}`)
    const url = accepted.headers['azure-asyncoperation']
    for (;;) {
      if (typeof url !== 'string') return accepted.body
      const { body: operation } = await this.send('GET', url)
      if (operation.status === 'Succeeded') return accepted.body
      assert.equal(operation.status, 'InProgress', JSON.stringify(operation.error))
      await sleep(100)
    }
  }

  /** The body of a valid VM; rules modify it. */
  async vmBody(name: string, o: Partial<VmRequest> = {}): Promise<Loose> {
    const request = { ...(await defaultRequest(this.installation, name)), ...o }
    await prepareNetwork(this.arm, request)
    return vmBody(this.arm, request)
  }

  async remove(name: string): Promise<void> {
    await this.run('DELETE', this.vm(name))
  }

  async close(): Promise<void> {
    this.connection.https.close()
    await this.installation.remove()
  }
}

const cited = (error: ErrorDetail): string[] =>
  (error.details ?? []).filter(({ code }) => code === 'FaqRule').map(({ target }) => target ?? '')

/**
 * Sends a request that must be refused with the code, citing the rule if given, with a working link; the refusal must
 * have expected, found and remedy.
 */
export async function refused(
  t: Trial,
  o: { what: string; method: string; path: string; body?: unknown; status: number; code: string; rule?: string },
): Promise<ErrorDetail> {
  const { status, body } = await t.driver.send(o.method, o.path, o.body)
  const { error } = body as { error: ErrorDetail }
  t.note(
    o.what,
    `${status} ${error?.code}: ${error?.message?.slice(0, 160)}${o.rule === undefined ? '' : ` [cites ${o.rule}]`}`,
  )
  assert.equal(`${status} ${error.code}`, `${o.status} ${o.code}`, JSON.stringify(body))
  if (o.rule === undefined) return error
  assert.ok(cited(error).includes(o.rule), `it cites ${cited(error).join(', ') || 'no rule'}`)
  const link = /https:\S+/.exec(error.details?.find(({ target }) => target === o.rule)?.message ?? '')?.[0] ?? ''
  const page = await t.driver.connection.https.request({ method: 'GET', url: link.replace(/#.*$/, '') })
  assert.equal(page.status, 200, `${link} does not answer`)
  assert.ok(page.text.includes(`id="${o.rule.toLowerCase()}"`), `${link} has no answer to ${o.rule}`)
  return error
}

/** Checks that the refusal is in the activity log. */
export async function onRecord(t: Trial, action: string, status: number): Promise<void> {
  const log = await t.driver.send(
    'GET',
    `${t.driver.subscription}/providers/Microsoft.Insights/eventtypes/management/values?$filter=eventTimestamp ge '2020-01-01T00:00:00Z'`,
  )
  const found = (log.body.value as Loose[]).find((entry) => JSON.stringify(entry).includes(action))
  assert.ok(found !== undefined, `${action} is not in the activity log`)
  assert.ok(JSON.stringify(found).includes(String(status)), JSON.stringify(found))
  t.note(`activity log of ${action}`, `on record with ${status}, caller and correlation id`)
}
