import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { HostAgent, joinFleet } from '@strongroom/host/agent'
import { createLogger, toErrorBody } from '@strongroom/platform'
import { keepMemoryFromCoreFiles } from './core-files.ts'

/**
 * What runs on a joined host.
 *   --dir DIR [--join ADDRESS:PORT]
 * --join: reads the join code from standard input, joins, and goes on as without.
 * Started by the CLI it reports over the IPC channel, and ends when that closes; on its own it prints a line of JSON for each report.
 */
const { values } = parseArgs({ options: { dir: { type: 'string' }, join: { type: 'string' } } })

function tell(message: object): void {
  if (process.send !== undefined) process.send(message)
  else process.stdout.write(`${JSON.stringify(message)}\n`)
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

try {
  // Before there is any key.
  keepMemoryFromCoreFiles()
  const { dir: directory, join: address } = values
  if (directory === undefined) throw new TypeError('--dir is missing')
  if (address !== undefined)
    tell({ type: 'joined', ...(await joinFleet({ directory, address, code: await readStandardInput() })) })
  const logger = createLogger({ level: 'info', file: join(directory, 'host.log') })
  const agent = await HostAgent.open({ directory, logger })
  const stop = (): void => void agent.stop().then(() => process.exit(0))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (process.send !== undefined) process.on('disconnect', stop)
  await agent.run((state) => tell({ type: 'state', ...state }))
} catch (error) {
  tell({ type: 'failed', error: toErrorBody(error).body.error })
  if (process.connected) process.disconnect()
  process.exitCode = 1
}
