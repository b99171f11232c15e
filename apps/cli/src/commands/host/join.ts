import { spawn } from 'node:child_process'
import type { ErrorDetail } from '@strongroom/contract'
import { serverProgram } from '../../bundle/program.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext } from '../../core/command.ts'
import { nodeTooOld, serverNode } from '../../core/node-program.ts'
import { serverNodeOptions } from '../../up/server-command.ts'

/** The agent's messages on the IPC channel (apps/strongroomd/src/host-agent.ts, within its main program). */
type AgentMessage =
  | { type: 'joined'; name: string; hostId: string }
  | { type: 'state'; name: string; leased: boolean; error?: string }
  | { type: 'failed'; error: ErrorDetail }

const dirOption = {
  flags: '--dir <directory>',
  summary: 'where the host keeps its key; by default beside the state directory, with -host appended',
}

/** Runs the agent in the foreground, until it ends or is stopped. Standard input goes to the agent: it has a join code. */
async function runAgent(context: CommandContext, args: string[]): Promise<undefined> {
  const node = serverNode()
  if (node === undefined) throw new CliError({ ...nodeTooOld, exitCode: exitCodes.missingPrerequisite })
  const directory = textOption(context, 'dir') ?? `${context.paths.state}-host`
  const child = spawn(node, [...serverNodeOptions, serverProgram('main.ts'), '--host-dir', directory, ...args], {
    stdio: [args.length > 0 ? 'inherit' : 'ignore', 'inherit', 'inherit', 'ipc'],
  })
  let isStopping = false
  const stop = (): void => {
    if (!isStopping) context.say('Stopping VMs …')
    // A second signal does not wait for the guests.
    child.kill(isStopping ? 'SIGKILL' : 'SIGTERM')
    isStopping = true
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  let failure: ErrorDetail | undefined
  child.on('message', (value) => {
    const message = value as AgentMessage
    if (message.type === 'failed') failure = message.error
    else context.say(told(message))
  })
  const code = await new Promise<number>((done, fail) => {
    child.once('error', fail)
    child.once('close', (status) => done(status ?? 1))
  })
  if (failure !== undefined) throw CliError.fromDetail(failure, 409)
  process.exitCode = code
  return undefined
}

function told(message: Exclude<AgentMessage, { type: 'failed' }>): string {
  if (message.type === 'joined') return `${message.name} has joined as host ${message.hostId}.`
  if (message.leased) return `${message.name} is a host of the fleet. Ctrl-C stops it.`
  return `${message.name} is not available now: ${message.error ?? 'no answer'}`
}

/** Commands that run on a host. */
export const joinCommands: Command[] = [
  {
    words: ['host', 'join'],
    args: ['<address>'],
    summary: 'join a fleet as a host, with the code of `host add` on standard input, and serve it',
    options: [dirOption],
    examples: ['strongroom host join 10.0.0.1:8444 <<< CODE'],
    run: async (context) => await runAgent(context, ['--host-join', context.args[0] ?? '']),
  },
  {
    words: ['host', 'run'],
    summary: 'run the host that joined from this directory',
    options: [dirOption],
    run: async (context) => await runAgent(context, []),
  },
]
