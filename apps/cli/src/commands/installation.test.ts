import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storedOnly } from '@strongroom/contract'
import { expect, it, onTestFinished } from 'vitest'
import type { CommandContext } from '../core/command.ts'
import { installationCommands } from './installation.ts'

it('strongroom status names the resource types that are stored without effect', async () => {
  const state = await mkdtemp(join(tmpdir(), 'installation-'))
  onTestFinished(async () => await rm(state, { recursive: true }))
  // This process passes for the server: its number and its start, as /proc has them.
  const startTime = (await readFile('/proc/self/stat', 'utf8')).split(' ')[21]
  const server = { pid: process.pid, startTime, mode: 'simulated', ports: { tls: 1, local: 2 } }
  await writeFile(join(state, 'server.json'), JSON.stringify(server))
  const status = installationCommands.find(({ words }) => words[0] === 'status')!
  const result = await status.run({ paths: { state, cache: state, config: state } } as unknown as CommandContext)
  expect((result!.data as { storedOnly: unknown }).storedOnly).toEqual(storedOnly)
  const [line = ''] = result!.lines!.filter((each) => each.includes('without effect'))
  expect(line.split(': ')[1]?.split(', ')).toEqual(Object.keys(storedOnly))
})
