import { join } from 'node:path'
import { HostAgent, joinFleet } from '@strongroom/host/agent'
import { createLogger } from '@strongroom/platform'

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Runs on a joined host until its agent is shut down.
 * @param o.join ADDRESS:PORT of the control plane: joins first, with the code on standard input
 * @param o.tell called for each change
 */
export async function runHostAgent(o: {
  directory: string
  join: string | undefined
  tell: (message: { type: string; [member: string]: unknown }) => void
  /** Called with the agent before it carries anything. */
  opened: (agent: HostAgent) => void
}): Promise<void> {
  const { directory, join: address } = o
  if (address !== undefined)
    o.tell({ type: 'joined', ...(await joinFleet({ directory, address, code: await readStandardInput() })) })
  const logger = createLogger({ level: 'info', file: join(directory, 'host.log') })
  const agent = await HostAgent.open({ directory, logger })
  o.opened(agent)
  await agent.run((state) => o.tell({ type: 'state', ...state }))
}
