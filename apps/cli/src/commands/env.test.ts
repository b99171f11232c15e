import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import { envCommand } from './env.ts'

const asked = {
  client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46',
  client_name: 'Microsoft Azure CLI',
  scope: 'https://management.azure.com//.default',
  audiences: ['https://management.azure.com', 'https://vault.azure.net'],
  asked_from: '127.64.7.7',
  expires_at: '2026-12-01T12:00:00.000Z',
}

it('shows what a device code asks for, and approves it only with --yes, as shown (attack W70)', async () => {
  const state = mkdtempSync(join(tmpdir(), 'strongroom-env-'))
  mkdirSync(join(state, 'run'))
  const sent: [string | undefined, unknown][] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (piece: Buffer) => (text += piece.toString()))
    request.on('end', () => {
      sent.push([request.url, JSON.parse(text)])
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(asked))
    })
  })
  await new Promise<void>((done) => server.listen(join(state, 'run/owner.sock'), done))
  onTestFinished(() => {
    server.close()
    rmSync(state, { recursive: true })
  })
  const shown: string[] = []
  const run = async (options: Record<string, unknown>): Promise<unknown> =>
    await envCommand.run({
      options: { approve: 'BCDFGHJKL', ...options },
      paths: { state, config: state },
      connect: async () => await Promise.resolve({ server: {} }),
      say: (line: string) => void shown.push(line),
    } as unknown as CommandContext)
  const question = ['/device-sign-in', { user_code: 'BCDFGHJKL' }]

  await expect(run({})).rejects.toMatchObject({ code: 'NotConfirmed' })
  expect(sent).toEqual([question])
  for (const text of [asked.client_id, asked.client_name, asked.asked_from, ...asked.audiences])
    expect(shown.join('\n')).toContain(text)
  await run({ yes: true })
  const { client_id, audiences } = asked
  expect(sent.slice(1)).toEqual([
    question,
    ['/device', { user_code: 'BCDFGHJKL', approve: true, client_id, audiences }],
  ])
})
