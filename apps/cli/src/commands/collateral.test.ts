import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection, Response } from '../core/connection.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { collateralCommands } from './collateral.ts'

const chip = 'ab'.repeat(64)
const bundle = { format: 'strongroom-collateral', version: 1, exportedAt: '2026-11-25T00:00:00Z', items: [{}, {}] }
const item = { source: 'vendors', path: `/vcek/v1/Milan/${chip}?blSPL=1`, expiresAt: '2027-01-01T00:00:00.000Z' }

interface Sent {
  method: string
  url: string
  token?: string
  body?: unknown
}

let directory: string
let sent: Sent[]
let said: string[]
let answer: { status: number; json: unknown }

beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), 'B-cli-'))))
afterAll(async () => await rm(directory, { recursive: true, force: true }))
beforeEach(() => {
  sent = []
  said = []
})

function run(word: string, args: string[] = [], options: CommandContext['options'] = {}): Promise<Result | undefined> {
  const request = (o: Sent): Promise<Response> => {
    sent.push(o)
    return Promise.resolve({ headers: {}, text: '', bytes: new Uint8Array(), ...answer })
  }
  const connection = {
    https: { request, close: () => {} },
    ownerToken: (audience: string) => Promise.resolve(audience),
  }
  const command = collateralCommands.find(({ words }) => words[1] === word)!
  return command.run({
    args,
    options,
    paths: { state: directory, cache: directory, config: directory },
    format: 'table',
    say: (line) => void said.push(line),
    typed: (text) => text,
    connect: () => Promise.resolve(connection as unknown as Connection),
  })
}

describe('strongroom collateral', () => {
  it('shows what is kept, as the owner, with chip ids cut short', async () => {
    answer = {
      status: 200,
      json: {
        sources: [{ name: 'vendors', endpoints: [] }],
        items: [{ ...item, kind: 'VCEK certificate', state: 'due' }],
      },
    }
    const result = await run('status')
    expect(said).toEqual(['vendors: not contacted; imported collateral is used'])
    expect(sent).toEqual([
      {
        method: 'GET',
        url: 'https://sharedweu.weu.attest.strongroom.internal/collateral',
        token: 'https://attest.azure.net',
      },
    ])
    expect(result!.table!.rows).toEqual([
      ['vendors', 'VCEK certificate', 'due', item.expiresAt, '/vcek/v1/Milan/abababababab…?blSPL=1'],
    ])
  })

  it('writes a bundle and sends it back as it is', async () => {
    const file = join(directory, 'bundle.json')
    answer = { status: 200, json: bundle }
    expect((await run('export', [file], { source: 'installation' }))!.data).toMatchObject({ items: 2 })
    expect(sent[0]!.url).toMatch(/\/bundle\?source=installation$/)
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(bundle)
    answer = { status: 200, json: { results: [{ ...item, outcome: 'imported' }] } }
    const result = await run('import', [file])
    expect(sent[1]).toMatchObject({ method: 'POST', body: bundle })
    expect(result!.table!.rows[0]!.slice(0, 2)).toEqual(['vendors', 'imported'])
  })

  it('tells the user every item that the service refused', async () => {
    const file = join(directory, 'refused.json')
    await writeFile(file, JSON.stringify(bundle))
    const details = [{ code: 'CollateralRefused', target: item.path, message: 'Expected a trusted root.' }]
    answer = { status: 400, json: { error: { code: 'CollateralRefused', message: 'not all', details } } }
    await expect(run('import', [file])).rejects.toMatchObject({ code: 'CollateralRefused', detail: { details } })
  })

  it('asks nobody for a file that is absent or no JSON', async () => {
    const broken = join(directory, 'broken.json')
    await writeFile(broken, '{')
    for (const file of [broken, join(directory, 'absent.json')])
      await expect(run('import', [file])).rejects.toMatchObject({ code: 'FileNotReadable', exitCode: 2 })
    expect(sent).toEqual([])
    answer = { status: 200, json: bundle }
    await expect(run('export', [join(directory, 'absent', 'x')])).rejects.toMatchObject({ code: 'FileNotWritten' })
  })
})
