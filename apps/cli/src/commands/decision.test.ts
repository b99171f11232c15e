import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DecisionView } from '@strongroom/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Connection, Response } from '../core/connection.ts'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { decisionCommands } from './decision.ts'

const decision: DecisionView = {
  id: '6f1c',
  at: '2026-11-25T15:00:00.000Z',
  provider: 'sharedweu.weu.attest.strongroom.internal',
  type: 'SevSnpVm',
  caller: '127.0.0.1',
  outcome: 'Denied',
  code: 'PolicyEvaluationError',
  message: 'no permit',
  evidenceDigest: 'ab',
  simulated: true,
  failedRules: [{ rule: '=> deny();', expected: 'no deny', found: 'deny' }],
  failedChecks: [],
  shortcomings: [{ path: 'vmpl', message: 'vmpl: expected 0, found 1.' }],
  advisories: [],
}

let directory: string
let asked: string[]
let answer: { status: number; json: unknown }

beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'A-cli-'))))
afterAll(async () => await rm(directory, { recursive: true, force: true }))
beforeEach(() => void (asked = []))

function run(word: string, args: string[] = [], options: CommandContext['options'] = {}): Promise<Result | undefined> {
  const request = (o: { url: string; token?: string }): Promise<Response> => {
    asked.push(`${o.token ?? ''} ${o.url}`)
    return Promise.resolve({ headers: {}, text: '', bytes: new Uint8Array(), ...answer })
  }
  const connection = {
    https: { request, close: () => {} },
    ownerToken: (audience: string) => Promise.resolve(audience),
  }
  return decisionCommands
    .find(({ words }) => words[1] === word)!
    .run({
      args,
      options,
      paths: { state: directory, cache: directory, config: directory },
      format: 'table',
      say: () => {},
      typed: (text) => text,
      connect: () => Promise.resolve(connection as unknown as Connection),
    })
}

describe('strongroom decision', () => {
  it('lists what a provider decided, as the owner', async () => {
    answer = { status: 200, json: { value: [decision] } }
    const result = await run('list', [], { top: '5', provider: 'alpha.weu.attest.strongroom.internal' })
    expect(asked).toEqual([
      'https://attest.azure.net https://alpha.weu.attest.strongroom.internal/decisions?api-version=2025-06-01&$top=5',
    ])
    expect(result?.table?.rows).toEqual([
      [decision.at, 'SevSnpVm', 'Denied', 'PolicyEvaluationError', '127.0.0.1', '6f1c'],
    ])
    await expect(run('list', [], { top: 'many' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  })

  it('says why a decision fell', async () => {
    answer = { status: 200, json: decision }
    const lines = (await run('show', ['6f1c']))?.lines?.join('\n') ?? ''
    expect(lines).toContain('Denied at 2026-11-25T15:00:00.000Z')
    expect(lines).toContain('Rule: => deny();')
    expect(lines).toContain('vmpl: expected 0, found 1.')
  })

  it('writes the evidence to a file, whole or not at all', async () => {
    const bundle = { format: 'strongroom-attestation-decision', version: 1, decision, evidence: { snpReport: 'AA==' } }
    answer = { status: 200, json: bundle }
    const file = join(directory, 'decision.json')
    await run('export', ['6f1c', file])
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(bundle)
    answer = { status: 404, json: { error: { code: 'EvidenceNotKept', message: 'gone' } } }
    await expect(run('export', ['6f1c', join(directory, 'other.json')])).rejects.toMatchObject({
      code: 'EvidenceNotKept',
    })
    expect(await readdir(directory)).toEqual(['decision.json'])
  })
})
